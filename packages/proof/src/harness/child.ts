/**
 * Child processes. A child ends when its parent ends, however the parent ends.
 *
 * @module
 */

import { type ChildProcess, fork } from 'node:child_process'

/** A running child process. */
export interface Child<Ready> {
  /** The message that the child sent when it was ready. */
  ready: Ready
  process: ChildProcess
  stop(): Promise<void>
}

/**
 * Starts `file` with `settings` and waits until it is ready. Its output goes to the file descriptor `output`;
 * by default to standard error, because standard output is for the report.
 *
 * @throws if the child ends before it is ready.
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
    child.once('exit', (code) =>
      fail(new Error(`${file.pathname} ended (exit code ${code}) before it was ready.`)),
    )
  })
}

/** Called in the child: returns its settings. */
export const settingsOf = <Settings>(): Settings => JSON.parse(process.argv[2] ?? '{}') as Settings

/** Called in the child: sends `ready` to the parent, and calls `stop` when the parent disconnects. */
export function serve(ready: object, stop: () => Promise<void>): void {
  // Ctrl-C reaches all processes of the group, but the parent decides in which order they end.
  process.on('SIGINT', () => {})
  process.once('disconnect', () => {
    void stop().finally(() => process.exit())
  })
  process.send?.(ready)
}
