/**
 * The processes of the product, watched over as a host's platform does: whichever ends is followed by
 * another. One that ends by a mistake of its own, and by no fault of ours, is a violation.
 *
 * @module
 */

import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Scope } from '../../core/bench/scope.ts'
import { type Child, startChild } from '../bench/child.ts'
import type { Random, Violation } from '../src/testing.ts'
import type { ProductSettings } from './product.ts'

export type Kind = 'host' | 'worker'

const FILES = {
  host: new URL('host-process.ts', import.meta.url),
  worker: new URL('worker-process.ts', import.meta.url),
}

export interface SystemOptions {
  scope: Scope
  /** For what the processes write. */
  folder: string
  settings: Omit<ProductSettings, 'number' | 'isCalm'>
  count: Record<Kind, number>
}

export interface System {
  readonly violations: readonly Violation[]
  /** Processes started after another had ended, and those that a handler of theirs ended. */
  readonly restarts: number
  readonly handlerDeaths: number
  /** Resolves once all run. */
  start(): Promise<void>
  /** Where webhooks are taken in now. */
  hosts(): string[]
  /** Ends one as a power cut would. */
  kill(kind: Kind, random: Random): void
  /** Lets one stand still for a while, like a machine that is moved. */
  freeze(kind: Kind, random: Random, ms: number): Promise<void>
  /** From now on handlers do not fail. */
  calm(): void
}

type Running = Child<{ url?: string }>

export function createSystem({ scope, folder, settings, count }: SystemOptions): System {
  const running: Record<Kind, Set<Running>> = { host: new Set(), worker: new Set() }
  const killed = new Set<Running>()
  const violations: Violation[] = []
  let [number, restarts, handlerDeaths] = [0, 0, 0]
  let [isCalm, isOver] = [false, false]
  scope.add(async () => {
    isOver = true
    const all = [...running.host, ...running.worker]
    // Also one that stands still hears this.
    for (const child of all) child.process.kill('SIGKILL')
    await Promise.all(all.map((child) => child.stop()))
  })

  const watch = (kind: Kind, child: Running, log: string) => {
    running[kind].add(child)
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
      void begin(kind)
    })
  }
  const begin = async (kind: Kind): Promise<void> => {
    while (!isOver) {
      number += 1
      const log = join(folder, `${kind}-${number}.log`)
      const given: ProductSettings = { ...settings, number, isCalm }
      try {
        watch(kind, await startChild<{ url?: string }>(FILES[kind], given, openSync(log, 'a')), log)
        return
      } catch {
        // The database may be gone at this moment, and a process that begins may give up over it.
        await wait(200)
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
      const kinds = Object.entries(count) as [Kind, number][]
      await Promise.all(
        kinds.flatMap(([kind, many]) => Array.from({ length: many }, () => begin(kind))),
      )
    },
    hosts: () => [...running.host].flatMap(({ ready }) => ready.url ?? []),
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
      for (const { process } of [...running.host, ...running.worker]) {
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
