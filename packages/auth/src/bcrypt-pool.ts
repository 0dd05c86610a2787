/**
 * bcrypt, two at a time, away from everything else. One hash is a fifth of a second of computing; in
 * libuv's pool a few of them hold up WebCrypto, files and name look-ups for seconds. So two threads of
 * their own do nothing else. Networks take turns, so no caller makes the others wait for longer than a hash,
 * and a caller who comes while too many of its own requests wait is told to come again. A full queue refuses whoever
 * has the most in it, and nobody who comes from a quiet network.
 *
 * @module
 */

import { Worker } from 'node:worker_threads'
import { AuthError } from './errors.ts'
import { createTurns, NO_CALLER, type Turn } from './turns.ts'

const THREADS = 2
/**
 * How many may wait. Of one address about seven seconds of work at 12 rounds: a caller who waits longer has
 * gone. Of one account at that address more than a person needs. Of all what the process can hold.
 */
const MAX_WAITING = { account: 8, address: 32, all: 256 }
const RETRY_AFTER_SECONDS = 5
/** From here on it matters whose turn it is: at 12 rounds a newcomer waits for a second or so. */
const BUSY = 8

/** Hashes `text`, or compares it with `hash` where one is given. */
interface Task {
  text: string
  hash: string | null
  /** The cost of a hash; a comparison takes as long as one of this cost, if its own is lower. */
  rounds: number
}

interface Waiting {
  task: Task
  done(value: unknown): void
  fail(error: unknown): void
}

/**
 * Text, so that no bundler, transpiler or test runner has to find a file. On Linux a priority is a thread's
 * own: where processors are scarce, requests come before passwords. Costs double with each round,
 * so the comparison and one hash of each cost from its own up to `rounds` add up to `rounds`.
 */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads')
const bcrypt = require(workerData)
if (process.platform === 'linux') require('node:os').setPriority(10)
parentPort.on('message', ({ text, hash, rounds }) => {
  if (hash === null) return parentPort.postMessage(bcrypt.hashSync(text, rounds))
  const fits = bcrypt.compareSync(text, hash)
  for (let cost = bcrypt.getRounds(hash); cost < rounds; cost += 1) bcrypt.hashSync(text, cost)
  parentPort.postMessage(fits)
})`

const WITHOUT_THREADS =
  'Passwords are hashed without threads of their own, which holds up other requests: no thread could load ' +
  'the native module bcrypt. Keep it out of your bundle; in Next.js add it to serverExternalPackages.'

export interface BcryptPool {
  /**
   * @throws `too_busy` (503), as the next one: too many of this turn wait; all places are taken and nobody has more of
   * them; or while it waits somebody with less comes, and all places are taken
   */
  hash(text: string, rounds: number, turn?: Turn): Promise<string>
  /** `hash` must be one of bcrypt's. Takes as long as `rounds` do. */
  compare(text: string, hash: string, rounds: number, turn?: Turn): Promise<boolean>
  /** @throws `too_busy` (503) when half of those who may wait do, of this turn or with it as the fullest of all */
  requireRoom(turn?: Turn): void
  /** @throws `too_busy` (503) when a hash asked for now would be refused */
  requirePlace(turn?: Turn): void
  /** Whether so many wait that a caller notices. */
  isBusy(): boolean
}

export interface BcryptPoolOptions {
  /** Where the native module is. Default: found from here. */
  resolve?: () => string | Promise<string>
}

/** Each call makes threads of its own; `bcryptPool` is the process's. Nothing starts before its use. */
export function createBcryptPool(options: BcryptPoolOptions = {}): BcryptPool {
  const { resolve = locateBcrypt } = options
  let file: string | undefined
  const idle: Worker[] = []
  const waiting = createTurns<Waiting>()
  let running = 0
  let withoutThreads = false

  async function submit(task: Task, turn: Turn): Promise<unknown> {
    requireRoom(turn, 1)
    return new Promise((done, fail) => {
      waiting.add(turn, { task, done, fail })
      if (waiting.waiting(turn).all > MAX_WAITING.all) waiting.shed(turn)?.fail(tooBusy())
      next()
    })
  }

  function requireRoom(turn: Turn, share: number): void {
    const { account, address, all } = waiting.waiting(turn)
    // Work that names no account is that of many, such as resets.
    const isAccountFree = turn.account === null || account < MAX_WAITING.account * share
    const isFree = address < MAX_WAITING.address * share
    const isOpen = all < MAX_WAITING.all * share || !waiting.isFirstToShed(turn)
    if (!isAccountFree || !isFree || !isOpen) throw tooBusy()
  }

  function next(): void {
    if (running >= THREADS) return
    const one = waiting.next()
    if (!one) return
    running += 1
    perform(one.task)
      .then(one.done, one.fail)
      .finally(() => {
        running -= 1
        next()
      })
  }

  async function perform(task: Task): Promise<unknown> {
    if (withoutThreads) return performHere(task)
    try {
      file ??= await resolve()
      return await performIn(idle.pop() ?? start(file), task)
    } catch {
      // A host whose bundler hides the module, or that has no threads: slower for others, but right.
      withoutThreads = true
      process.emitWarning(WITHOUT_THREADS, '@repo/auth')
      return performHere(task)
    }
  }

  function start(workerData: string): Worker {
    // The thread needs nothing of the process: not its loaders, not its secrets.
    const worker = new Worker(THREAD, {
      eval: true,
      workerData,
      execArgv: [],
      env: {},
    })
    worker.unref()
    return worker
  }

  function performIn(worker: Worker, task: Task): Promise<unknown> {
    return new Promise((done, fail) => {
      const finish = () => {
        worker.removeAllListeners()
        worker.unref()
      }
      worker.removeAllListeners()
      worker.once('message', (value: unknown) => {
        finish()
        // An idle thread that fails is not asked again.
        worker.once('error', () => idle.splice(idle.indexOf(worker), 1))
        idle.push(worker)
        done(value)
      })
      const lost = (why: unknown) => {
        finish()
        fail(why)
      }
      worker.once('error', lost)
      worker.once('exit', lost)
      // The process stays for a hash that is under way, and for no other.
      worker.ref()
      worker.postMessage(task)
    })
  }

  return {
    hash: (text, rounds, turn = NO_CALLER) =>
      submit({ text, hash: null, rounds }, turn) as Promise<string>,
    compare: (text, hash, rounds, turn = NO_CALLER) =>
      submit({ text, hash, rounds }, turn) as Promise<boolean>,
    requireRoom: (turn = NO_CALLER) => requireRoom(turn, 0.5),
    requirePlace: (turn = NO_CALLER) => requireRoom(turn, 1),
    isBusy: () => waiting.waiting(NO_CALLER).all >= BUSY,
  }
}

const tooBusy = () =>
  new AuthError('too_busy', 'Too many passwords are being checked.', {
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  })

/**
 * The file of the native module, which a thread loads by its path. A bundler puts a number of its own in the
 * place of `createRequire` where it sees one, so Node's is fetched at run time. Where the sources have been
 * left behind, as in Next.js' `output: 'standalone'`, the module is loaded first and then found among what
 * is loaded.
 */
async function locateBcrypt(): Promise<string> {
  const { createRequire } = process.getBuiltinModule('node:module')
  const ours = createRequire(import.meta.url)
  try {
    return ours.resolve('bcrypt')
  } catch {
    await import('bcrypt')
    const file = Object.keys(ours.cache).find((path) => /[\\/]bcrypt[\\/]bcrypt\.js$/.test(path))
    if (file) return file
    throw new Error('The native module bcrypt is not a file that a thread can load.')
  }
}
/** `pool` for callers who do not say whose turn it is: `turnOf` does, each time. */
export const inTurns = (pool: BcryptPool, turnOf: () => Turn): BcryptPool => ({
  hash: (text, rounds) => pool.hash(text, rounds, turnOf()),
  compare: (text, hash, rounds) => pool.compare(text, hash, rounds, turnOf()),
  requireRoom: () => pool.requireRoom(turnOf()),
  requirePlace: () => pool.requirePlace(turnOf()),
  isBusy: pool.isBusy,
})

async function performHere({ text, hash, rounds }: Task): Promise<unknown> {
  const { default: bcrypt } = await import('bcrypt')
  if (hash === null) return bcrypt.hash(text, rounds)
  const fits = await bcrypt.compare(text, hash)
  for (let cost = bcrypt.getRounds(hash); cost < rounds; cost += 1) await bcrypt.hash(text, cost)
  return fits
}

const shared = globalThis as { [POOL]?: BcryptPool }
const POOL = Symbol.for('@repo/auth bcrypt')

/** The process's threads, whatever the number of instances; they outlive a hot reload. */
export function bcryptPool(): BcryptPool {
  shared[POOL] ??= createBcryptPool()
  return shared[POOL]
}
