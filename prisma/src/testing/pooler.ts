/**
 * PgBouncer in transaction mode in front of a test server, which is how hosted databases pool: a connection
 * is another one after each transaction, keeps no setting and no prepared statement, and hears no
 * notification. `pnpm test:pooler` runs the suites through it.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort, OWNER, unprivilegedUser } from './postgres.ts'

/** A running PgBouncer. */
export interface Pooler {
  /** Its host and port. */
  host: string
  stop(): Promise<void>
}

/** Connections to the server for each database and role. */
const POOL_SIZE = 20

/**
 * Starts the `pgbouncer` on PATH for the databases of the embedded server at `adminUrl`. Whoever connects acts
 * as the owner of the databases.
 *
 * @throws if there is no `pgbouncer` on PATH, or it ends before it answers.
 */
export async function startPooler(adminUrl: string): Promise<Pooler> {
  const { hostname, port: serverPort } = new URL(adminUrl)
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-pooler-'))
  const port = await freePort()
  const user = unprivilegedUser()
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]
* = host=${hostname} port=${serverPort || 5432} user=${OWNER}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${POOL_SIZE}
max_client_conn = 2000
server_idle_timeout = 5
ignore_startup_parameters = extra_float_digits
`,
  )
  if (user) for (const path of [folder, file]) chownSync(path, user.uid, user.gid)
  const child = spawn('pgbouncer', ['-q', file], { stdio: ['ignore', 'ignore', 'pipe'], ...user })
  await answers(child, port)
  return {
    host: `127.0.0.1:${port}`,
    async stop() {
      const ended = new Promise((done) => child.once('exit', done))
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Waits until the pooler takes connections. */
async function answers(child: ChildProcess, port: number): Promise<void> {
  let said = ''
  let failure: Error | null = null
  child.stderr?.on('data', (text) => {
    said += text
  })
  child.once('error', (error) => {
    failure = new Error('Install pgbouncer, so that it is on PATH.', { cause: error })
  })
  child.once('exit', (code) => {
    failure ??= new Error(`pgbouncer ended (exit code ${code}): ${said}`)
  })
  for (;;) {
    if (failure) throw failure
    const isOpen = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false))
      socket.once('connect', () => socket.end())
    })
    if (isOpen) return
    await wait(20)
  }
}
