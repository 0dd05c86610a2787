/**
 * Runs the processes of the product and replaces each one that ends, as a host's platform does. A process
 * that ends without being killed is a violation.
 *
 * @module
 */

import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Random, Violation } from '../drill/index.ts'
import { type Child, startChild } from '../harness/child.ts'
import type { Scope } from '../harness/scope.ts'

/** Which processes run, and with what settings. */
export interface SystemOptions<Kind extends string> {
  scope: Scope
  /** The folder for the logs of the processes. */
  folder: string
  /** The file that each kind of process runs. */
  files: Record<Kind, URL>
  /** Settings of all processes, beside `LifeSettings`. */
  settings: object
  count: Record<Kind, number>
  /** Called with messages that processes send after they are ready. */
  onMessage?(slot: number, message: unknown): void
}

/** The settings of a single process. */
export interface LifeSettings {
  /** The number of the process, counted over all started processes. */
  number: number
  /** The place of the process among its kind. Its replacement gets the same slot. */
  slot: number
  isCalm: boolean
}

/** The running processes. */
export interface System<Kind extends string> {
  readonly violations: readonly Violation[]
  /** Number of processes that replaced another. */
  readonly restarts: number
  /** Number of processes that one of their handlers killed. */
  readonly handlerDeaths: number
  /** Starts all processes. Resolves once all are ready. */
  start(): Promise<void>
  /** URLs of the running processes of a kind. */
  urls(kind: Kind): string[]
  /** Kills a random process, as a power cut would. */
  kill(kind: Kind, random: Random): void
  /** Stops a random process for a while, like a machine that is migrated. */
  freeze(kind: Kind, random: Random, ms: number): Promise<void>
  /** Tells all processes that handlers must no longer fail. */
  calm(): void
}

type Running = Child<{ url?: string }>

/** Creates the system without starting its processes. */
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
    // SIGKILL also ends a stopped process.
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
        const message = `ended without being killed (${code ?? signal}): ${lastWords(log)}`
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
        // The process may have failed to start because the database is down at this moment.
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

/** The last error in a process's log, with its stack. */
function lastWords(log: string): string {
  const lines = readFileSync(log, 'utf8').split('\n')
  const at = lines.findLastIndex((line) => /^\S*error\b/i.test(line))
  return lines
    .slice(Math.max(at, 0), at + 30)
    .map((line) => line.trim())
    .join(' | ')
}
