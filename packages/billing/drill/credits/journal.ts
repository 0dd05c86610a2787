/**
 * What a process of callers has to be believed in the end, on disk before it goes on: each call before it
 * is made, and each answer before the caller acts on it. A process that was killed is followed by one that
 * begins where it stopped.
 *
 * @module
 */

import { openSync, readdirSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Answer, emptyMemory, type Memory, type Operation, remember } from './operations.ts'

/** A caller: how many calls are over, and the one that is not. */
export interface Caller {
  done: number
  pending: Operation | null
  memory: Memory
}

type Line =
  | { callers: Caller[] }
  | { caller: number; asks: Operation }
  | { caller: number; asked: Operation; answer: Answer }
  | { caller: number; asked: Operation; wrong: string }

export interface Journal {
  callers: Caller[]
  asks(caller: number, operation: Operation): void
  answered(caller: number, answer: Answer): void
  /** What must not be; the call is over. */
  wrong(caller: number, message: string): void
}

/** The journal of one life of a process. Each is a file, which begins with what was so far. */
export function openJournal(folder: string, slot: number, count: number): Journal {
  const lives = livesIn(folder, slot)
  const callers = callersOf(linesOf(lives.at(-1)), count)
  const file = join(folder, `journal-${slot}-${String(lives.length).padStart(6, '0')}`)
  // All of the beginning is there, or nothing of the file.
  writeFileSync(`${file}.new`, `${JSON.stringify({ callers })}\n`)
  renameSync(`${file}.new`, file)
  const out = openSync(file, 'a')
  const write = (line: Line) => writeSync(out, `${JSON.stringify(line)}\n`)
  const pendingOf = (caller: number) => callers[caller]?.pending as Operation
  const apply = (line: Line) => {
    write(line)
    applyLine(callers, line)
  }
  return {
    callers,
    asks: (caller, asks) => apply({ caller, asks }),
    answered: (caller, answer) => apply({ caller, asked: pendingOf(caller), answer }),
    wrong: (caller, wrong) => apply({ caller, asked: pendingOf(caller), wrong }),
  }
}

/** Every call that was answered, or wrongly. */
export function* readJournals(folder: string): Generator<Extract<Line, { asked: Operation }>> {
  for (const slot of [0, 1]) {
    for (const file of livesIn(folder, slot)) {
      for (const line of linesOf(file)) if ('asked' in line) yield line
    }
  }
}

const livesIn = (folder: string, slot: number): string[] =>
  readdirSync(folder)
    .filter((name) => name.startsWith(`journal-${slot}-`) && !name.endsWith('.new'))
    .sort()
    .map((name) => join(folder, name))

function linesOf(file: string | undefined): Line[] {
  if (file === undefined) return []
  // What a kill left unfinished has no end of line: nobody acted on it.
  const whole = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return whole.map((line) => JSON.parse(line) as Line)
}

function callersOf(lines: Line[], count: number): Caller[] {
  const callers = Array.from({ length: count }, () => ({
    done: 0,
    pending: null,
    memory: emptyMemory(),
  }))
  for (const line of lines) applyLine(callers, line)
  return callers
}

function applyLine(callers: Caller[], line: Line): void {
  if ('callers' in line) {
    callers.splice(0, callers.length, ...line.callers)
    return
  }
  const caller = callers[line.caller] as Caller
  if ('asks' in line) {
    caller.pending = line.asks
    return
  }
  caller.pending = null
  caller.done += 1
  if ('answer' in line) remember(caller.memory, { operation: line.asked, answer: line.answer })
}
