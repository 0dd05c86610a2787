/**
 * The processes that run side by side with one log. Each line begins with its process's name. A signal reaches a whole
 * process group, so that nothing stays behind; a process that ignores it is killed after ten seconds. The processes also
 * end when this process is killed and can end nothing itself.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Environment } from '@repo/core'

/** One process of the log. */
export interface LocalProcess {
  /** The name before its lines. */
  name: string
  /** A line for the shell, or a program with its arguments. */
  command: string | readonly string[]
  /** The working directory. */
  cwd: string
  /** All of its variables. */
  env: Environment
}

/** A process that was started. */
export interface RunningProcess {
  name: string
  /** Resolves with the exit code once it has ended; 1 for a signal or a program that cannot be started. */
  ended: Promise<number>
  /** Ends the process and its children. */
  stop(): Promise<void>
}

/** Where the lines go. */
export interface Log {
  /** Writes one line. */
  write(line: string): void
  /** Whether names are coloured. */
  hasColour: boolean
}

/** How long a process may take to end before it is killed. */
const PATIENCE_MS = 10_000
const COLOURS = [36, 35, 33, 32, 34]
const isWindows = process.platform === 'win32'

/** The name of a process, padded and coloured. */
function prefixOf(name: string, { hasColour }: Log): string {
  const sum = [...name].reduce((total, letter) => total + letter.charCodeAt(0), 0)
  const padded = name.padEnd(8)
  return hasColour ? `\u001b[${COLOURS[sum % COLOURS.length]}m${padded}\u001b[0m` : padded
}

/** Starts a process. Its lines are written as they come. */
export function startProcess(wanted: LocalProcess, log: Log): RunningProcess {
  const { name, command, cwd } = wanted
  const prefix = prefixOf(name, log)
  const env = { ...wanted.env, ...(log.hasColour ? { FORCE_COLOR: '1' } : {}) }
  const [program = '', ...args] = typeof command === 'string' ? [command] : command
  const child = spawn(program, args, {
    cwd,
    env: env as NodeJS.ProcessEnv,
    shell: typeof command === 'string',
    // A group of its own, so that a signal reaches all of its processes. An open standard input, because some
    // development servers end with it.
    detached: !isWindows,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin?.on('error', () => {})
  for (const input of [child.stdout, child.stderr]) {
    if (input) createInterface({ input }).on('line', (line) => log.write(`${prefix} ${line}`))
  }
  const ended = new Promise<number>((done) => {
    child.once('error', (error) => {
      log.write(`${prefix} cannot be started: ${error.message}`)
      done(1)
    })
    // The last lines come after the exit. A grandchild may hold the output open, so they get half a second.
    child.once('close', (code) => done(code ?? 1))
    child.once('exit', (code) => void setTimeout(() => done(code ?? 1), 500))
  })
  const release = guardGroup(child)
  void ended.then(release)
  return { name, ended, stop: () => stopGroup(child, ended) }
}

/**
 * Reads one line. Its standard input ends without one if this process was killed; then it ends the group whose id it was
 * given.
 */
const GUARD =
  'read -r released || { kill -s TERM -- "-$0"; sleep 2; kill -s KILL -- "-$0"; } 2>/dev/null'

/** Lets a shell wait for the death of this process, so that the child's group does not outlive it. Returns its release. */
function guardGroup({ pid }: ChildProcess): () => void {
  if (pid === undefined || isWindows) return () => {}
  // In a group of its own, because Ctrl-C is for this process, which then ends the children in good order.
  const guard = spawn('/bin/sh', ['-c', GUARD, `${pid}`], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.on('error', () => {})
  guard.stdin.on('error', () => {})
  return () => void guard.stdin.end('released\n')
}

async function stopGroup(child: ChildProcess, ended: Promise<number>): Promise<void> {
  signal(child, 'SIGTERM')
  const timer = setTimeout(() => signal(child, 'SIGKILL'), PATIENCE_MS)
  await ended
  clearTimeout(timer)
  // What the process left behind in its group.
  signal(child, 'SIGKILL')
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    if (isWindows) child.kill(name)
    else process.kill(-child.pid, name)
  } catch {
    // The group has ended.
  }
}
