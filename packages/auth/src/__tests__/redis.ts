/**
 * A Redis for tests, reached over TCP by the real client: `redis-server` of the machine where there is
 * one (`REDIS_SERVER` or on the PATH), else `ioredis-mock`, which runs the limiter's Lua, behind the
 * protocol.
 *
 * @module
 */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { freePort } from '@repo/db/testing'

export interface TestRedis {
  url: string
  kind: 'redis-server' | 'ioredis-mock'
  stop(): Promise<void>
}

/** A client gives an answer up after a second, which the stand-in under load may take; here none does. */
const urlAt = (port: number) => `redis://127.0.0.1:${port}?commandTimeout=none`

export async function startRedis(): Promise<TestRedis> {
  return (await startServer()) ?? (await startStandIn())
}

async function startServer(): Promise<TestRedis | null> {
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const server = spawn(process.env.REDIS_SERVER ?? 'redis-server', args, {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const isUp = await new Promise<boolean>((done) => {
    server.once('error', () => done(false))
    server.once('exit', () => done(false))
    server.stdout.on('data', (text: Buffer) => {
      if (text.includes('Ready to accept connections')) done(true)
    })
  })
  if (!isUp) return null
  return {
    url: urlAt(port),
    kind: 'redis-server',
    async stop() {
      const gone = once(server, 'exit')
      server.kill('SIGKILL')
      await gone
    },
  }
}

type Engine = { call(command: string, ...args: string[]): Promise<unknown> } & Record<
  string,
  ((...args: string[]) => Promise<unknown>) | undefined
>

async function startStandIn(): Promise<TestRedis> {
  // @ts-expect-error it has no types of its own
  const { default: RedisMock } = await import('ioredis-mock')
  // @ts-expect-error nor has this
  const { default: Parser } = await import('redis-parser')
  const engine = new RedisMock() as Engine
  const sockets = new Set<Socket>()
  // One command after the other, whoever sends it.
  let last: Promise<unknown> = Promise.resolve()
  const server = createServer((socket) => {
    sockets.add(socket)
    let queued: string[][] | null = null
    const answer = async (request: string[]) => {
      const [name = '', ...args] = request
      const command = name.toLowerCase()
      if (command === 'multi') {
        queued = []
        return 'OK'
      }
      if (command === 'exec') {
        const replies: unknown[] = []
        for (const one of queued ?? []) replies.push(await perform(engine, one))
        queued = null
        return replies
      }
      if (queued) {
        queued.push(request)
        return { status: 'QUEUED' }
      }
      return perform(engine, [command, ...args])
    }
    const parser = new Parser({
      returnReply(request: string[]) {
        last = last
          .then(() => answer(request))
          .catch((error: Error) => error)
          .then((reply) => socket.write(encode(reply)))
      },
      returnError: () => socket.destroy(),
    })
    socket.on('data', (bytes) => parser.execute(bytes))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    url: urlAt(port),
    kind: 'ioredis-mock',
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
    },
  }
}

const scripts = new Map<string, string>()
const sha1 = (text = '') => createHash('sha1').update(text).digest('hex')

async function perform(engine: Engine, [name = '', ...args]: string[]): Promise<unknown> {
  const command = name.toLowerCase()
  if (command === 'info') return 'redis_version:7.0.0\r\nloading:0'
  if (command === 'client' || command === 'select') return { status: 'OK' }
  // As before Redis 6: the client goes on with the older protocol.
  if (command === 'hello') throw new Error("ERR unknown command 'HELLO'")
  if (command === 'eval') scripts.set(sha1(args[0]), args[0] ?? '')
  if (command === 'evalsha') {
    const script = scripts.get(args[0] ?? '')
    if (!script) throw new Error('NOSCRIPT No matching script.')
    return perform(engine, ['eval', script, ...args.slice(1)])
  }
  const run = engine[command]
  if (!run) throw new Error(`ERR unknown command ${command}`)
  return run.apply(engine, args)
}

function encode(reply: unknown): string {
  if (reply instanceof Error) return `-${reply.message.replace(/^(?!NOSCRIPT|ERR)/, 'ERR ')}\r\n`
  if (reply === null || reply === undefined) return '$-1\r\n'
  if (typeof reply === 'number') return `:${reply}\r\n`
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(encode).join('')}`
  if (typeof reply === 'object') return `+${(reply as { status: string }).status}\r\n`
  return `$${Buffer.byteLength(String(reply))}\r\n${String(reply)}\r\n`
}
