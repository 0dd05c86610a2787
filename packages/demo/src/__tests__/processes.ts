/** Programs of a host, with no variable of the test's environment, and what they print. */

import { type ChildProcess, spawn } from 'node:child_process'

/** Runs a program as a package manager does, but with `exec`, so that a signal reaches the program and not a shell. */
export const inFolder = (script: string) => `PATH="$PWD/node_modules/.bin:$PATH" exec ${script}`

/** Only PATH and the like: no other variable of the test's environment. */
const bare = (): NodeJS.ProcessEnv => {
  const { PATH, HOME, TMPDIR, NODE_EXTRA_CA_CERTS } = process.env
  return JSON.parse(
    JSON.stringify({ PATH, HOME, TMPDIR, NODE_EXTRA_CA_CERTS, NEXT_TELEMETRY_DISABLED: '1' }),
  ) as NodeJS.ProcessEnv
}

/** Runs all programs of a script, which `inFolder` would end after the first. */
export const allInFolder = (script: string) =>
  `export PATH="$PWD/node_modules/.bin:$PATH"; ${script}`

/** A program that runs. */
export interface Running {
  printed(): string
  exited: Promise<number | null>
  stop(): Promise<void>
}

/** Starts a program. */
export function begin(command: string, cwd: string, env: Record<string, string> = {}): Running {
  let output = ''
  const child: ChildProcess = spawn('sh', ['-c', command], {
    cwd,
    env: { ...bare(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk
    })
  }
  const exited = new Promise<number | null>((done) => child.once('close', done))
  return {
    printed: () => output,
    exited,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** Runs a program to its end and returns its output. It fails where the program does. */
export async function run(
  command: string,
  cwd: string,
  env?: Record<string, string>,
): Promise<string> {
  const running = begin(command, cwd, env)
  const code = await running.exited
  if (code === 0) return running.printed()
  throw new Error(`${command} ended with ${code}:\n${running.printed()}`)
}

/** Resolves once the process has printed that it is ready. */
export async function start(
  script: string,
  cwd: string,
  ready: RegExp,
  env?: Record<string, string>,
): Promise<Running> {
  const running = begin(inFolder(script), cwd, env)
  let hasExited = false
  void running.exited.then(() => {
    hasExited = true
  })
  while (!ready.test(running.printed())) {
    if (hasExited) throw new Error(`${script} ended:\n${running.printed()}`)
    await new Promise((done) => setTimeout(done, 50))
  }
  return running
}
