/** A plain Node.js host in a folder of its own, and `tollgate dev` beside it as a process. */

import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { removePostgres } from '@repo/db/testing'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const CLI = fileURLToPath(new URL('../dev/cli.ts', import.meta.url))
const TSX = pathToFileURL(createRequire(join(ROOT, 'package.json')).resolve('tsx')).href

/** Shows its variables and the webhooks that it got, and has a child of its own. */
const SERVER = `
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
const hooks = []
createServer(async (req, res) => {
  let body = ''
  for await (const chunk of req) body += chunk
  if (req.method === 'POST') hooks.push({ url: req.url, type: JSON.parse(body).type })
  res.end(JSON.stringify({ env: process.env, hooks, child: child.pid }))
}).listen(process.env.PORT, () => console.log('listening'))
process.on('SIGTERM', () => {
  console.log('bye')
  process.exit(0)
})
`

export interface HostFolder {
  folder: string
  remove(): Promise<void>
}

export async function makeHost(files: Record<string, string> = {}): Promise<HostFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-local-'))
  const all = {
    'package.json': JSON.stringify({ type: 'module', scripts: { dev: 'server' } }),
    'server.mjs': SERVER,
    // A program that only the path of a script has.
    'node_modules/.bin/server': '#!/bin/sh\nexec node server.mjs\n',
    ...files,
  }
  for (const [name, text] of Object.entries(all)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), text, { mode: name.includes('.bin/') ? 0o755 : 0o644 })
  }
  return {
    folder,
    async remove() {
      removePostgres(join(folder, '.tollgate/postgres'))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export interface Dev {
  printed(): string
  /** Resolves once the output has this text, or rejects with the output if the process ends first. */
  says(text: string | RegExp): Promise<void>
  signal(name: NodeJS.Signals): void
  exited: Promise<number | null>
}

/** Starts the command with only these variables beside PATH and the like. */
export function dev(args: string[], env: Record<string, string> = {}): Dev {
  const { PATH, HOME, TMPDIR } = process.env
  let printed = ''
  const child = spawn(process.execPath, ['--conditions=source', '--import', TSX, CLI, ...args], {
    env: { PATH, HOME, ...(TMPDIR ? { TMPDIR } : {}), ...env } as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      printed += chunk
      for (const look of waiting) look()
    })
  }
  let hasEnded = false
  const exited = new Promise<number | null>((done) => {
    child.once('close', (code) => {
      hasEnded = true
      for (const look of waiting) look()
      done(code)
    })
  })
  return {
    printed: () => printed,
    exited,
    signal: (name) => void child.kill(name),
    says: (text) =>
      new Promise((done, fail) => {
        const look = () => {
          const isThere = typeof text === 'string' ? printed.includes(text) : text.test(printed)
          if (!isThere && !hasEnded) return
          waiting.delete(look)
          if (isThere) done()
          else fail(new Error(`"${text}" was not printed:\n${printed}`))
        }
        waiting.add(look)
        look()
      }),
  }
}

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
