/** A small checkout and empty hosts, in temporary folders. */

import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Files by their paths. */
export type Files = Record<string, string>

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-create-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Writes files below a folder. */
export function write(folder: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

export const read = (folder: string, path: string): string =>
  readFileSync(join(folder, path), 'utf8')
export const readJson = (folder: string, path: string) => JSON.parse(read(folder, path))

/** Everything in a folder, with modes: what must be the same byte for byte. */
export function treeOf(folder: string): Files {
  const files: Files = {}
  const walk = (below: string) => {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const path = join(below, entry.name)
      if (entry.name === '.git') continue
      if (entry.isDirectory()) {
        files[`${path}/`] = ''
        walk(path)
      } else {
        const { mode } = statSync(join(folder, path))
        files[path] = `${(mode & 0o777).toString(8)} ${readFileSync(join(folder, path), 'base64')}`
      }
    }
  }
  walk('')
  return files
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

const lines = (...all: string[]) => `${all.join('\n')}\n`

/** The files of a small checkout: `auth` needs `core` and `db`, `email` needs `core`. */
export const checkoutFiles = (): Files => ({
  'package.json': json({
    name: 'tollgate',
    version: '0.1.0',
    packageManager: 'pnpm@10.34.9',
    engines: { node: '>=20.19' },
    devDependencies: { tsx: '4.23.15', typescript: '7.0.2' },
  }),
  'pnpm-workspace.yaml': lines(
    'packages:',
    '  - packages/*',
    '  - prisma',
    'overrides:',
    '  better-auth: 1.7.25',
    '  zod: 4.6.7',
    'allowBuilds:',
    '  bcrypt: false',
  ),
  '.env.example': lines(
    '# ── Database ──',
    '# Get it from your host.',
    'DATABASE_URL=',
    '',
    '# Signs cookies.',
    'BETTER_AUTH_SECRET=',
    '# Both set: the button works.',
    'GITHUB_CLIENT_ID=',
    'GITHUB_CLIENT_SECRET=',
    '# The key of the mails.',
    'RESEND_API_KEY=',
  ),
  'tsconfig.base.json': lines('{', '  "compilerOptions": {}', '}'),
  'packages/core/package.json': json({
    name: '@repo/core',
    scripts: { lint: 'biome lint .', test: 'vitest run' },
  }),
  'packages/core/tollgate.json': json({
    part: 'core',
    devDependencies: ['tsx', 'typescript'],
    rootFiles: ['tsconfig.base.json'],
  }),
  'packages/core/tsconfig.json': lines('{ "extends": "../../tsconfig.base.json" }'),
  'packages/core/src/index.ts': lines(
    'export const one = 1',
    '',
    'export const two = 2',
    '',
    'export const three = 3',
  ),
  'prisma/package.json': json({ name: '@repo/db', dependencies: { '@repo/core': 'workspace:*' } }),
  'prisma/tollgate.json': json({
    part: 'db',
    required: ['DATABASE_URL'],
    scripts: { 'db:diff': '$run(@repo/db generate) && tsx prisma/src/cli.ts diff' },
    steps: ['$run db:migrate'],
  }),
  'prisma/tsconfig.json': lines('{ "extends": "../tsconfig.base.json" }'),
  'prisma/src/cli.ts': lines("import { one } from '@repo/core'", '', 'console.log(one)'),
  'packages/auth/package.json': json({
    name: '@repo/auth',
    dependencies: {
      '@repo/core': 'workspace:*',
      '@repo/db': 'workspace:*',
      'better-auth': '1.7.25',
    },
  }),
  'packages/auth/tollgate.json': json({
    part: 'auth',
    isChosen: true,
    required: ['BETTER_AUTH_SECRET'],
    optional: ['GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET'],
    leavesBehind: ['scripts'],
  }),
  'packages/auth/README.md': lines(
    '# @repo/auth',
    '',
    'See [tenants](../../prisma/README.md#tenants).',
  ),
  'packages/auth/scripts/bench.ts': lines('// Stays behind.'),
  'packages/auth/src/index.ts': lines(
    "export { one } from '@repo/core'",
    "export { db } from '@repo/db/client'",
    '',
    'export const signIn = () => true',
    '',
    'export const signOut = () => true',
    '',
    '/** @repo/authors is another package. */',
  ),
  'packages/auth/src/guards.ts': lines(
    ...Array.from({ length: 30 }, (_, n) => `export const guard${n} = ${n}`),
  ),
  'packages/email/package.json': json({
    name: '@repo/email',
    dependencies: { '@repo/core': 'workspace:*' },
  }),
  'packages/email/tollgate.json': json({
    part: 'email',
    isChosen: true,
    required: ['RESEND_API_KEY'],
  }),
  'packages/email/src/index.ts': lines("export { two } from '@repo/core'"),
  'node_modules/x/index.js': '',
  'packages/core/node_modules/y/index.js': '',
  'packages/core/dist/index.js': '',
})

/** A checkout with other files; null removes a file. */
export function makeCheckout(changes: Record<string, string | null> = {}): string {
  const folder = temporaryFolder()
  const files = checkoutFiles()
  for (const [path, text] of Object.entries(changes)) {
    if (text === null) delete files[path]
    else files[path] = text
  }
  write(folder, files)
  return folder
}

/** Makes the folder a repository with one commit. */
export function commitAll(folder: string): void {
  const git = (...args: string[]) =>
    execFileSync(
      'git',
      ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args],
      { stdio: 'pipe' },
    )
  git('init', '-q')
  git('add', '-A')
  git('commit', '-qm', 'all')
}
