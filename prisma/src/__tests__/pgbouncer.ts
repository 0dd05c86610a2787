/** PgBouncer in transaction mode, for tests on machines that have it. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '@repo/core/testing'
import { freePort } from '../testing/postgres.ts'

export const hasPgBouncer = ((): boolean => {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

/** Starts it in front of `databaseUrl`. */
export async function startPgBouncer(
  databaseUrl: string,
): Promise<{ url: string; stop(): Promise<void> }> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl)
  const folder = mkdtempSync(join(tmpdir(), 'pgbouncer-'))
  const own = await freePort()
  const login = `user=${username}${password ? ` password=${password}` : ''}`
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]
* = host=${hostname} port=${port} ${login}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
`,
    { mode: 0o644 },
  )
  execFileSync('chmod', ['755', folder])
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child: ChildProcess = spawn('pgbouncer', ['-q', ...user, file], { stdio: 'ignore' })
  await until(
    () =>
      new Promise<boolean>((done) => {
        const socket = connect(own, '127.0.0.1')
        socket.once('connect', () => done(true)).once('error', () => done(false))
        socket.once('connect', () => socket.destroy())
      }),
    20,
  )
  return {
    url: `postgresql://${username}@127.0.0.1:${own}${pathname}?pgbouncer=true`,
    async stop() {
      const ended = once(child, 'exit')
      child.kill('SIGINT')
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true })
    },
  }
}
