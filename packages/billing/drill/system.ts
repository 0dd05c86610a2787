/**
 * The processes of the product, watched over as a host's platform does: whichever ends is followed by
 * another. One that ends by a mistake of its own, and by no fault of ours, is a violation.
 *
 * @module
 */

import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Scope } from '../../core/bench/scope.ts'
import { type Child, startChild } from '../bench/child.ts'
import type { Random, Violation } from '../src/testing.ts'

export interface SystemOptions<Kind extends string> {
  scope: Scope
  /** For what the processes write. */
  folder: string
  /** What each kind of process runs. */
  files: Record<Kind, URL>
  /** Told to each, beside `LifeSettings`. */
  settings: object
  count: Record<Kind, number>
  /** What processes say after they are ready. */
  onMessage?(slot: number, message: unknown): void
}

/** What a process is told of itself. */
export interface LifeSettings {
  /** Counted over all processes that were started: one after another has a higher one. */
  number: number
  /** Which of its kind it is; the one that follows it is the same. */
  slot: number
  isCalm: boolean
}

export interface System<Kind extends string> {
  readonly violations: readonly Violation[]
  /** Processes started after another had ended, and those that a handler of theirs ended. */
  readonly restarts: number
  readonly handlerDeaths: number
  /** Resolves once all run. */
  start(): Promise<void>
  /** Where those of a kind that listen do so now. */
  urls(kind: Kind): string[]
  /** Ends one as a power cut would. */
  kill(kind: Kind, random: Random): void
  /** Lets one stand still for a while, like a machine that is moved. */
  freeze(kind: Kind, random: Random, ms: number): Promise<void>
  /** From now on handlers do not fail. */
  calm(): void
}

type Running = Child<{ url?: string }>

export function createSystem<Kind extends string>({
  scope,
  folder,
  files,
  settings,
  count,
  onMessage,
}: SystemOptions<Kind>): System<Kind> {
  const kinds = Object.keys(count) as Kind[]
  const running = Object.fromEntries(kinds.map((kind) => [kind, new Set()])) as Record<
    Kind,
    Set<Running>
  >
  const everyone = () => kinds.flatMap((kind) => [...running[kind]])
  const killed = new Set<Running>()
  const violations: Violation[] = []
  let [number, restarts, handlerDeaths] = [0, 0, 0]
  let [isCalm, isOver] = [false, false]
  scope.add(async () => {
    isOver = true
    const all = everyone()
    // Also one that stands still hears this.
    for (const child of all) child.process.kill('SIGKILL')
    await Promise.all(all.map((child) => child.stop()))
  })

  const watch = (kind: Kind, slot: number, child: Running, log: string) => {
    running[kind].add(child)
    child.process.on('message', (message) => onMessage?.(slot, message))
    if (isOver) child.process.kill('SIGKILL')
    child.process.once('exit', (code, signal) => {
      running[kind].delete(child)
      if (isOver) return
      if (signal === 'SIGKILL') handlerDeaths += killed.has(child) ? 0 : 1
      else {
        const message = `ended by itself (${code ?? signal}): ${lastWords(log)}`
        violations.push({ invariant: 'process', id: `${kind} ${child.process.pid}`, message })
      }
      restarts += 1
      void begin(kind, slot)
    })
  }
  const begin = async (kind: Kind, slot: number): Promise<void> => {
    while (!isOver) {
      number += 1
      const log = join(folder, `${kind}-${number}.log`)
      const life: LifeSettings = { number, slot, isCalm }
      const given = { ...settings, ...life }
      const out = openSync(log, 'a')
      try {
        watch(kind, slot, await startChild<{ url?: string }>(files[kind], given, out), log)
        return
      } catch {
        // The database may be gone at this moment, and a process that begins may give up over it.
        await wait(200)
      } finally {
        closeSync(out)
      }
    }
  }
  const one = (kind: Kind, random: Random): Running | undefined =>
    [...running[kind]][random.whole(running[kind].size)]

  return {
    violations,
    get restarts() {
      return restarts
    },
    get handlerDeaths() {
      return handlerDeaths
    },
    async start() {
      await Promise.all(
        kinds.flatMap((kind) =>
          Array.from({ length: count[kind] }, (_, slot) => begin(kind, slot)),
        ),
      )
    },
    urls: (kind) => [...running[kind]].flatMap(({ ready }) => ready.url ?? []),
    kill(kind, random) {
      const child = one(kind, random)
      if (!child) return
      killed.add(child)
      child.process.kill('SIGKILL')
    },
    async freeze(kind, random, ms) {
      const child = one(kind, random)
      child?.process.kill('SIGSTOP')
      await wait(ms)
      child?.process.kill('SIGCONT')
    },
    calm() {
      isCalm = true
      for (const { process } of everyone()) {
        if (process.connected) process.send('calm')
      }
    },
  }
}

/** What a process said before it ended: the error and where it came from. */
function lastWords(log: string): string {
  const lines = readFileSync(log, 'utf8').split('\n')
  const at = lines.findLastIndex((line) => /^\S*error\b/i.test(line))
  return lines
    .slice(Math.max(at, 0), at + 30)
    .map((line) => line.trim())
    .join(' | ')
}
