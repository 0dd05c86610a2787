/**
 * A process of our own. It is over when this one is, however this one ends.
 *
 * @module
 */

import { type ChildProcess, fork } from 'node:child_process'

export interface Child<Ready> {
  /** What it said when it was ready. */
  ready: Ready
  process: ChildProcess
  stop(): Promise<void>
}

/**
 * Starts `file` with `settings` and waits until it is ready. What it writes goes to the file
 * descriptor `output`; by default not to standard output, which is the report's.
 *
 * @throws when it ends before.
 */
export function startChild<Ready>(file: URL, settings: object, output = 2): Promise<Child<Ready>> {
  const child = fork(file, [JSON.stringify(settings)], {
    stdio: ['ignore', output, output, 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const ended = new Promise<void>((done) => child.once('exit', () => done()))
  const stop = async () => {
    if (child.connected) child.disconnect()
    await ended
  }
  return new Promise((done, fail) => {
    child.once('message', (ready) => done({ ready: ready as Ready, process: child, stop }))
    child.once('error', fail)
    child.once('exit', (code) => fail(new Error(`${file.pathname} ended (${code}).`)))
  })
}

/** In the child: its settings. */
export const settingsOf = <Settings>(): Settings => JSON.parse(process.argv[2] ?? '{}') as Settings

/** In the child: says `ready`, and calls `stop` when the parent lets go. */
export function serve(ready: object, stop: () => Promise<void>): void {
  // Ctrl-C reaches the whole group; the parent decides in which order things end.
  process.on('SIGINT', () => {})
  process.once('disconnect', () => {
    void stop().finally(() => process.exit())
  })
  process.send?.(ready)
}
