/**
 * The journal of a process of callers. Each call is on disk before it is made, and each answer before the
 * caller acts on it. The process that follows a killed one continues where that one stopped.
 *
 * @module
 */

import { openSync, readdirSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Answer, emptyMemory, type Memory, type Operation, remember } from './operations.ts'

/** A caller: the number of its finished calls, and its unfinished call. */
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

/** An open journal. */
export interface Journal {
  callers: Caller[]
  /** Records a call before it is made. */
  asks(caller: number, operation: Operation): void
  /** Records the answer of the caller's call. */
  answered(caller: number, answer: Answer): void
  /** Records a wrong answer. The call counts as finished. */
  wrong(caller: number, message: string): void
}

/**
 * Opens the journal of a new process in slot `slot`. Each process writes a file of its own, which begins with
 * the state so far.
 */
export function openJournal(folder: string, slot: number, count: number): Journal {
  const lives = livesIn(folder, slot)
  const callers = callersOf(linesOf(lives.at(-1)), count)
  const file = join(folder, `journal-${slot}-${String(lives.length).padStart(6, '0')}`)
  // The rename makes the file appear with its whole first line, or not at all.
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

/** All finished calls of all journals. */
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
  // A line that a kill interrupted has no line break. Nobody has acted on it, so it is dropped.
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
