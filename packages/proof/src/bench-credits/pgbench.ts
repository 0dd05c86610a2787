/**
 * Measures the bare UPDATE with PostgreSQL's own `pgbench`, if it is on the PATH.
 *
 * @module
 */

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Way } from './turns.ts'
import { ACCOUNTS } from './turns.ts'

const call = promisify(execFile)

/** The way of `pgbench`. Null: it is not installed. */
export async function createPgbench(
  folder: string,
  url: string,
  isHot: boolean,
): Promise<Way | null> {
  const has = await call('pgbench', ['--version']).catch(() => null)
  if (!has) return null
  const file = join(folder, `take-${isHot ? 'one' : 'many'}.sql`)
  const last = isHot ? 0 : ACCOUNTS - 1
  writeFileSync(
    file,
    `\\set id random(0, ${last})\nUPDATE balances SET balance = balance - 1 WHERE id = :id;\n`,
  )
  return {
    name: 'bare UPDATE by pgbench',
    async run(callers, ms) {
      const clients = String(Math.min(callers, 16))
      const seconds = String(Math.max(1, Math.round(ms / 1000)))
      const { stdout } = await call('pgbench', [
        ...['-n', '-M', 'prepared', '-c', clients, '-j', clients === '1' ? '1' : '2'],
        ...['-T', seconds, '-f', file, url],
      ])
      const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN)
      return { perSecond: number(/tps = ([\d.]+)/), p50: Number.NaN, p99: Number.NaN }
    },
  }
}
