/**
 * bcrypt on two threads of its own. One hash takes a fifth of a second of computing. In libuv's pool, a few
 * hashes would hold up WebCrypto, files and DNS look-ups for seconds. The networks of callers take turns, so
 * a caller delays the others by one hash at the most, and a caller with too many waiting requests is refused.
 * A full queue refuses the network with the most requests in it, and no caller from a quiet network.
 *
 * @module
 */

import { Worker } from 'node:worker_threads'
import { AuthError } from '../errors.ts'
import { createTurns, NO_CALLER, type Turn } from './turns.ts'

/** The number of threads. */
const THREADS = 2
/**
 * How many requests may wait. The limit per address is about seven seconds of work at 12 rounds, because a
 * caller rarely waits longer. The limit per account at an address is more than a person needs. The limit for
 * all is what the process can hold.
 */
const MAX_WAITING = { account: 8, address: 32, all: 256 }
/** The `Retry-After` of a refused request. */
const RETRY_AFTER_SECONDS = 5
/** From this many waiting requests on, the order matters: at 12 rounds a new request waits about a second. */
const BUSY = 8

/** The lowest cost that bcrypt knows. */
const LEAST_COST = 4

/** The result of `work`, and how long it took, in milliseconds. */
async function timed<T>(work: () => Promise<T>): Promise<[result: T, ms: number]> {
  const began = performance.now()
  const result = await work()
  return [result, performance.now() - began]
}

/** Hashes `text`, or compares it with `hash` if that is not null. */
interface Task {
  text: string
  hash: string | null
  /**
   * The cost of a new hash, in bcrypt rounds. A comparison with a cheaper hash takes as long as this cost.
   */
  rounds: number
  /** Another check, whose answer the task returns. Both together take as long as a new hash. */
  beside?: () => Promise<boolean>
}

/** A task in the queue. */
interface Waiting {
  task: Task
  done(value: unknown): void
  fail(error: unknown): void
}

/**
 * The thread's code is text, so that no bundler, transpiler or test runner has to find a file. Linux gives
 * each thread a priority of its own, so requests come before passwords where processors are scarce. The cost
 * doubles with each round: a comparison, plus one hash of each cost from the stored hash's up to `rounds`,
 * takes as long as `rounds`.
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
  'Passwords are hashed on the threads of other work and hold up other requests, because no thread of their own ' +
  'could load the native module bcrypt. Keep it out of your bundle; in Next.js add it to serverExternalPackages.'

/** Hashes and compares passwords on threads of its own. */
export interface BcryptPool {
  /**
   * Hashes `text` at a cost of `rounds`.
   *
   * @throws `too_busy` (503) if too many requests of this account or address wait. With all places taken it
   * is also thrown if no other network has more of them, or once a quieter network takes this request's place.
   */
  hash(text: string, rounds: number, turn?: Turn): Promise<string>
  /** Compares `text` with a bcrypt `hash`. Takes as long as a hash of `rounds`. @throws as `hash` */
  compare(text: string, hash: string, rounds: number, turn?: Turn): Promise<boolean>
  /**
   * Runs `check`, which computes elsewhere, and returns its answer. Takes as long as a hash of `rounds`, on any number
   * of processors, if `check` alone takes less.
   *
   * @throws as `hash`
   */
  checkPadded(check: () => Promise<boolean>, rounds: number, turn?: Turn): Promise<boolean>
  /**
   * Call it before a token is used up, so that the hash afterwards is not refused.
   *
   * @throws `too_busy` (503) if half of the places of this account or address are taken, or half of all places
   * and this network has the most of them
   */
  requireRoom(turn?: Turn): void
  /** Call it before a request is counted. @throws `too_busy` (503) if a hash would be refused now */
  requirePlace(turn?: Turn): void
  /** Whether so many requests wait that a caller notices. */
  isBusy(): boolean
}

/** The options of `createBcryptPool`. */
export interface BcryptPoolOptions {
  /** Locates the native module. Default: resolved from this package. */
  resolve?: () => string | Promise<string>
}

/**
 * Makes a pool with threads of its own, which start on first use. `bcryptPool` returns the process's shared
 * pool.
 */
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
    // A task without an account, such as a password reset, is limited by its address alone.
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
    performBoth(one.task)
      .then(one.done, one.fail)
      .finally(() => {
        running -= 1
        next()
      })
  }

  /**
   * A task with `beside` first waits for that check, and then hashes for as long as a hash of `rounds` would still take.
   * The time of a whole hash is told from a hash that takes an eighth of it, because the machine may be busy.
   */
  async function performBoth({ beside, ...task }: Task): Promise<unknown> {
    if (!beside) return perform(task)
    const { rounds } = task
    const hashed = (cost: number) => perform({ text: '', hash: null, rounds: cost })
    const [fits, spent] = await timed(beside)
    const probe = Math.max(rounds - 3, LEAST_COST)
    const [, probed] = await timed(() => hashed(probe))
    let rest = 1 - spent / (probed * 2 ** (rounds - probe)) - 2 ** (probe - rounds)
    for (let cost = rounds - 1; cost >= Math.max(rounds - 8, LEAST_COST); cost -= 1) {
      const share = 2 ** (cost - rounds)
      if (rest < share) continue
      await hashed(cost)
      rest -= share
    }
    return fits
  }

  async function perform(task: Task): Promise<unknown> {
    if (withoutThreads) return performHere(task)
    try {
      file ??= await resolve()
      return await performIn(idle.pop() ?? start(file), task)
    } catch {
      // The host's bundler hides the module, or the host has no threads. Hashing here is slower for other
      // requests, but correct.
      withoutThreads = true
      process.emitWarning(WITHOUT_THREADS, '@repo/auth')
      return performHere(task)
    }
  }

  function start(workerData: string): Worker {
    // The thread needs neither the process's loaders nor its environment with the secrets.
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
        // An idle thread that fails gets no more work.
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
      // Only a hash that is under way keeps the process alive.
      worker.ref()
      worker.postMessage(task)
    })
  }

  return {
    hash: (text, rounds, turn = NO_CALLER) =>
      submit({ text, hash: null, rounds }, turn) as Promise<string>,
    compare: (text, hash, rounds, turn = NO_CALLER) =>
      submit({ text, hash, rounds }, turn) as Promise<boolean>,
    checkPadded: (beside, rounds, turn = NO_CALLER) =>
      submit({ text: '', hash: null, rounds, beside }, turn) as Promise<boolean>,
    requireRoom: (turn = NO_CALLER) => requireRoom(turn, 0.5),
    requirePlace: (turn = NO_CALLER) => requireRoom(turn, 1),
    isBusy: () => waiting.waiting(NO_CALLER).all >= BUSY,
  }
}

const tooBusy = () =>
  new AuthError('too_busy', 'Too many passwords are being checked. Try again in a few seconds.', {
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  })

/**
 * Finds the file of the native module, which a thread loads by its path. A bundler that sees `createRequire`
 * replaces the path by a module number of its own, so Node's function is fetched at run time. Where the
 * sources have been left behind, as in Next.js' `output: 'standalone'`, the module is loaded first and then
 * found among the loaded modules.
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
    throw new Error('bcrypt was loaded, but not from a file that a thread can load.')
  }
}
/** Wraps `pool` for callers that name no turn: `turnOf` returns the turn of each call. */
export const inTurns = (pool: BcryptPool, turnOf: () => Turn): BcryptPool => ({
  hash: (text, rounds) => pool.hash(text, rounds, turnOf()),
  compare: (text, hash, rounds) => pool.compare(text, hash, rounds, turnOf()),
  checkPadded: (check, rounds) => pool.checkPadded(check, rounds, turnOf()),
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

/** The process's shared threads, for any number of instances. They survive a hot reload. */
export function bcryptPool(): BcryptPool {
  shared[POOL] ??= createBcryptPool()
  return shared[POOL]
}
