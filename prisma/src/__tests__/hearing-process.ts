/** Another process, which prints the name of each fact that it hears of, and `current` once it has heard of all. */

import { until } from '@repo/core/testing'
import { createFacts } from './facts.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)

const heard = createFacts(process.argv[2] as string, say)
await until(() => heard.isCurrent(Date.now()))
say('current')
// Hearing keeps no process running, so this one waits for its parent.
process.stdin.once('end', () => heard.close()).resume()
