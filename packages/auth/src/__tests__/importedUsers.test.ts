/** Users of another system: imported once, with old hashes that fit until they are replaced. */

import { spawn } from 'node:child_process'
import { scryptSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { hash as argon2 } from '@node-rs/argon2'
import bcrypt from 'bcrypt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readUsers } from '../import/read-users.ts'
import type { ImportedUser } from '../index.ts'
import { isAffordable, readImported } from '../sign-in/imported-hash.ts'
import { createPasswords, TEST_ROUNDS } from '../sign-in/password.ts'
import { createTestAuth, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const GITHUB = { github: { clientId: 'id', clientSecret: 'secret' } }
const setup = setUpAuth({
  ...GITHUB,
  events: { userCreated: async () => told.push('userCreated') },
})
const told: string[] = []

let people = 0
const somebody = (user: Partial<ImportedUser> = {}): ImportedUser => {
  people += 1
  return { email: `imported-${people}@example.com`, emailVerified: true, ...user }
}
const importing = (...users: unknown[]) => setup.auth.importUsers(users as ImportedUser[])
const signIn = async (email: string, password = TEST_PASSWORD) =>
  (await setup.auth.post('/sign-in/email', { email, password })).status
const hashOf = async (email: string) => {
  const user = await setup.db.user.findUniqueOrThrow({
    where: { email },
    include: { accounts: true },
  })
  return user.accounts.find(({ providerId }) => providerId === 'credential')?.password ?? null
}

const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')
const hexScrypt = (password: string, salt = '0123456789abcdef0123456789abcdef') =>
  `${salt}:${scryptSync(password, salt, 64, { N: 16384, r: 16, p: 1, maxmem: 2 ** 26 }).toString('hex')}`
const phcScrypt = (password: string) => {
  const salt = Buffer.from('a salt of sixteen')
  return `$scrypt$ln=12,r=8,p=2$${base64(salt)}$${base64(scryptSync(password, salt, 32, { N: 4096, r: 8, p: 2 }))}`
}
/** The numbers of the variants in `@node-rs/argon2`. */
const ARGON2 = { d: 0, i: 1, id: 2 } as const
const argonOf = (algorithm: 0 | 1 | 2) =>
  argon2(TEST_PASSWORD, { algorithm, memoryCost: 4096, timeCost: 2, parallelism: 2 })

test.each([
  ['bcrypt', () => bcrypt.hash(TEST_PASSWORD, 5)],
  [
    'bcrypt as PHP names it',
    async () => (await bcrypt.hash(TEST_PASSWORD, 5)).replace('$2b', '$2y'),
  ],
  [
    'bcrypt under its old name',
    async () => (await bcrypt.hash(TEST_PASSWORD, 5)).replace('$2b', '$2a'),
  ],
  ['scrypt as Better Auth writes it', async () => hexScrypt(TEST_PASSWORD)],
  ['scrypt as Lucia wrote it', async () => `s2:${hexScrypt(TEST_PASSWORD, 'Q4kwqzJ0mX9aLp2c')}`],
  ['scrypt as a PHC string', async () => phcScrypt(TEST_PASSWORD)],
  ['argon2id', () => argonOf(ARGON2.id)],
  ['argon2i', () => argonOf(ARGON2.i)],
  ['argon2d', () => argonOf(ARGON2.d)],
])(
  'a hash of %s fits its password alone, and is replaced by ours at the first sign-in',
  async (_, make) => {
    const passwordHash = await make()
    const user = somebody({ passwordHash })
    expect(await importing(user)).toMatchObject({ imported: 1, refused: [] })
    expect(await hashOf(user.email)).toBe(passwordHash)
    expect(await signIn(user.email, `${TEST_PASSWORD}!`)).toBe(401)
    await setup.auth.settled()
    expect(await hashOf(user.email)).toBe(passwordHash)

    expect(await signIn(user.email)).toBe(200)
    await setup.auth.settled()
    expect(await hashOf(user.email)).toMatch(/^hs384:none:\$2b\$/)
    expect(await signIn(user.email)).toBe(200)
    expect(await signIn(user.email, `${TEST_PASSWORD}!`)).toBe(401)
  },
)

test.each([
  ['bcrypt', (password: string) => bcrypt.hash(password, 5)],
  ['argon2id', (password: string) => argon2(password, { memoryCost: 1024, timeCost: 1 })],
  ['scrypt as a PHC string', async (password: string) => phcScrypt(password)],
  [
    'scrypt as Better Auth writes it',
    async (password: string) => hexScrypt(password.normalize('NFKC')),
  ],
] as const)(
  'a password with letters that have another normal form fits a hash of %s as the old system read it',
  async (_, make) => {
    const typed = 'Straße² ´tief´ ½…'
    const user = somebody({ passwordHash: await make(typed) })
    await importing(user)
    expect(await signIn(user.email, `${typed}!`)).toBe(401)
    expect(await signIn(user.email, typed)).toBe(200)
    await setup.auth.settled()
    expect(await hashOf(user.email)).toMatch(/^hs384:none:/)
    expect(await signIn(user.email, typed.normalize('NFKC'))).toBe(200)
  },
)

/** Hashes that nobody may make this process compute. */
const BOMBS = [
  ['bcrypt with 31 rounds', `$2b$31$${'a'.repeat(53)}`, 'unknown_hash'],
  ['bcrypt with 16 rounds', `$2b$16$${'a'.repeat(53)}`, 'unknown_hash'],
  ['bcrypt with 0 rounds', `$2b$00$${'a'.repeat(53)}`, 'unknown_hash'],
  [
    'argon2 of a terabyte',
    `$argon2id$v=19$m=999999999,t=1,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`,
    'hash_too_expensive',
  ],
  [
    'argon2 with a million passes',
    `$argon2id$v=19$m=64,t=1000000,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`,
    'hash_too_expensive',
  ],
  [
    'argon2 with less memory than lanes',
    `$argon2id$v=19$m=8,t=1,p=9$${'a'.repeat(22)}$${'b'.repeat(43)}`,
    'hash_too_expensive',
  ],
  [
    'scrypt of 64 GiB',
    `$scrypt$ln=26,r=8,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`,
    'hash_too_expensive',
  ],
  [
    'scrypt of a cost without end',
    `$scrypt$ln=99,r=99999,p=99999$${'a'.repeat(22)}$${'b'.repeat(43)}`,
    'hash_too_expensive',
  ],
  [
    'scrypt with a thousand parts',
    `$scrypt$ln=14,r=8,p=1000$${'a'.repeat(22)}$${'b'.repeat(43)}`,
    'hash_too_expensive',
  ],
  [
    'scrypt with a cost above its block',
    `$scrypt$ln=16,r=1,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`,
    'hash_too_expensive',
  ],
] as const

test.each(BOMBS)(
  '%s is refused by the import, and fits nothing if it got in anyhow',
  async (_, passwordHash, reason) => {
    const user = somebody({ passwordHash })
    expect(await importing(user)).toMatchObject({ imported: 0, refused: [{ row: 1, reason }] })
    const before = process.memoryUsage().rss
    expect(
      await createPasswords({ [TEST_ROUNDS]: 4 }).verify({ hash: passwordHash, password: 'x' }),
    ).toBe(false)
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 2 ** 20)
  },
)

test('a stronger hash is taken where the host’s own hashes take as long', () => {
  const owasp = readImported(`$scrypt$ln=17,r=8,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`)
  expect(owasp && [12, 13].map((rounds) => isAffordable(owasp, rounds))).toEqual([false, true])
  const usual = readImported(`$scrypt$ln=16,r=8,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`)
  const php = readImported(`$argon2id$v=19$m=65536,t=4,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`)
  expect([usual, php].map((each) => each && isAffordable(each, 12))).toEqual([true, true])
})

test('an imported hash costs as much to refuse as one of ours, so that the time tells nothing', async () => {
  const passwords = createPasswords()
  // The processor's time of all threads: the clock also counts what the machine does besides.
  const worked = async (hash: string) => {
    const before = process.cpuUsage()
    await passwords.verify({ hash, password: 'not the password' })
    return process.cpuUsage(before).user
  }
  const full = await passwords.hash(TEST_PASSWORD)
  const salt = Buffer.from('a salt of sixteen')
  const dear = scryptSync('x', salt, 32, { N: 65_536, r: 8, p: 1, maxmem: 2 ** 28 })
  const others = {
    cheap: await argonOf(ARGON2.id),
    usual: hexScrypt('x'),
    dear: `$scrypt$ln=16,r=8,p=1$${base64(salt)}$${base64(dear)}`,
    bomb: BOMBS[3][1],
  }
  const samples = new Map(
    [full, ...Object.values(others)].map((hash): [string, number[]] => [hash, []]),
  )
  for (let n = 0; n < 5; n += 1) {
    for (const [hash, work] of samples) work.push(await worked(hash))
  }
  const median = (hash: string) => samples.get(hash)?.sort((x, y) => x - y)[2] ?? 0
  for (const [name, hash] of Object.entries(others)) {
    const share = median(hash) / median(full)
    expect(share, name).toBeGreaterThan(0.5)
    // A check beside a whole hash would show on a host with one processor.
    expect(share, name).toBeLessThan(1.5)
  }
})

test('a user keeps id, name, picture, date and accounts; nobody is mailed and no handler is called', async () => {
  const user = somebody({
    id: 'auth0|5f7c',
    name: 'Ada Lovelace',
    image: 'https://example.com/ada.png',
    createdAt: '2021-03-04 05:06:07.5+02',
    accounts: [{ providerId: 'github', accountId: '4711' }],
  })
  const mails = setup.auth.outbox.sent.length
  expect(await importing(user)).toMatchObject({ imported: 1 })
  await setup.auth.settled()
  const found = await setup.db.user.findUniqueOrThrow({
    where: { id: 'auth0|5f7c' },
    include: { accounts: true },
  })
  expect(found).toMatchObject({
    email: user.email,
    name: 'Ada Lovelace',
    emailVerified: true,
    role: 'USER',
    createdAt: new Date('2021-03-04T03:06:07.500Z'),
  })
  expect(found.accounts).toMatchObject([
    { providerId: 'github', accountId: '4711', password: null },
  ])
  expect(setup.auth.outbox.sent.length).toBe(mails)
  expect(await setup.db.authEvent.count()).toBe(0)
  expect(told).toEqual([])
  expect(
    await setup.db.auditLog.findFirst({
      where: { action: 'users_imported' },
      orderBy: { id: 'desc' },
    }),
  ).toMatchObject({ detail: { count: 1 } })
})

test('the host hears of imported users where it asks for that', async () => {
  const user = somebody({ id: 'told-about' })
  await setup.auth.importUsers([user], { tellsHost: true })
  expect(await setup.db.authEvent.findMany()).toMatchObject([
    { name: 'userCreated', subjectId: 'told-about' },
  ])
  await setup.db.authEvent.deleteMany()
})

test('a second run changes nothing, also for users who changed their address or password meanwhile', async () => {
  const users = [
    somebody({ id: 'stays' }),
    somebody(),
    somebody({ passwordHash: hexScrypt(TEST_PASSWORD) }),
  ] as const
  expect(await importing(...users)).toMatchObject({ imported: 3 })
  await setup.db.user.update({ where: { id: 'stays' }, data: { email: 'moved@example.com' } })
  expect(await signIn(users[2].email)).toBe(200)
  await setup.auth.settled()
  const rows = () => setup.db.user.findMany({ include: { accounts: true }, orderBy: { id: 'asc' } })
  const before = await rows()
  expect(await importing(...users)).toMatchObject({ imported: 0, present: 3, refused: [] })
  expect(await rows()).toEqual(before)
})

test('a stopped import is run again and goes on where it was', async () => {
  const users = Array.from({ length: 1_200 }, () => somebody())
  const stopping = function* () {
    yield* users.slice(0, 700)
    throw new Error('stopped')
  }
  await expect(setup.auth.importUsers(stopping())).rejects.toThrow('stopped')
  expect(await importing(...users)).toMatchObject({ read: 1_200, imported: 700, present: 500 })
})

test('a dry run says the same and writes nothing', async () => {
  const known = somebody()
  await importing(known)
  const before = await setup.db.user.count()
  const users = [somebody(), known, somebody({ passwordHash: 'md5:abc' })]
  const result = await setup.auth.importUsers(users, { dryRun: true })
  expect(result).toMatchObject({
    read: 3,
    imported: 1,
    present: 1,
    refused: [{ row: 3, reason: 'unknown_hash' }],
  })
  expect(await setup.db.user.count()).toBe(before)
})

test('nobody gets an address, an id or an account that another user has', async () => {
  const account = { providerId: 'github', accountId: 'taken' }
  const first = somebody({ id: 'first', accounts: [account] })
  await importing(first)
  const result = await importing(
    somebody({ accounts: [account] }),
    { ...first, id: 'second', accounts: [] },
    somebody({ id: 'twice' }),
    somebody({ id: 'twice' }),
  )
  expect(result.imported).toBe(1)
  expect(result.refused.map(({ row, reason }) => [row, reason])).toEqual([
    [1, 'account_taken'],
    [2, 'email_taken'],
    [4, 'repeated_in_import'],
  ])
})

test('a stranger who signed up with the address of an imported user before is no match, and is named', async () => {
  const email = 'victim@example.com'
  await setup.auth.post('/sign-up/email', { name: 'Eve', email, password: TEST_PASSWORD })
  await setup.auth.settled()
  const before = await setup.db.user.findUniqueOrThrow({ where: { email } })
  for (const id of [null, 'victim']) {
    const result = await importing({ email, emailVerified: true, id })
    expect(result).toMatchObject({ present: 0, refused: [{ row: 1, reason: 'email_unproven' }] })
  }
  expect(await setup.db.user.findUniqueOrThrow({ where: { email } })).toEqual(before)
})

test('a user brings the language of their mails', async () => {
  const user = somebody({ locale: 'de-AT' })
  expect(await importing(user)).toMatchObject({ imported: 1 })
  expect(await setup.db.user.findUniqueOrThrow({ where: { email: user.email } })).toMatchObject({
    locale: 'de-AT',
  })
  expect((await importing(somebody({ locale: 'no such language' }))).refused).toMatchObject([
    { reason: 'invalid_field' },
  ])
})

test.each([
  ['no object', 'text', 'unreadable_row'],
  ['a list', [], 'unreadable_row'],
  ['no address', {}, 'invalid_email'],
  ['two addresses', { email: 'a@example.com, b@example.com' }, 'invalid_email'],
  ['a role', { role: 'ADMIN' }, 'extra_field'],
  ['a second factor', { twoFactorSecret: 'x' }, 'extra_field'],
  ['a number as name', { name: 7 }, 'invalid_field'],
  ['a name with a NUL', { name: 'a\0b' }, 'invalid_field'],
  ['verified as a text', { emailVerified: 'yes' }, 'invalid_field'],
  ['a date of no calendar', { createdAt: '2021-02-99' }, 'invalid_field'],
  ['a day that its month lacks', { createdAt: '2021-02-31' }, 'invalid_field'],
  ['a date to come', { createdAt: '2999-01-01' }, 'invalid_field'],
  ['a script as picture', { image: 'javascript:alert(1)' }, 'invalid_field'],
  ['an id that is too long', { id: 'x'.repeat(256) }, 'invalid_field'],
  ['MD5', { passwordHash: '5f4dcc3b5aa765d61d8327deb882cf99' }, 'unknown_hash'],
  ['a plain password', { passwordHash: 'correct horse battery' }, 'unknown_hash'],
  [
    'a hash under a pepper',
    { passwordHash: `hs384:none:$2b$12$${'a'.repeat(53)}` },
    'unknown_hash',
  ],
  [
    'more rounds than the host’s',
    { passwordHash: `$2b$13$${'a'.repeat(53)}` },
    'hash_too_expensive',
  ],
  [
    'a provider that the host has not',
    { accounts: [{ providerId: 'apple', accountId: '1' }] },
    'unknown_provider',
  ],
  ['an account without an id', { accounts: [{ providerId: 'github' }] }, 'invalid_field'],
  [
    'a password smuggled in as an account',
    { accounts: [{ providerId: 'credential', accountId: '1' }] },
    'unknown_provider',
  ],
])('%s is refused with its position and code, and without the value', async (_, given, reason) => {
  const before = await setup.db.user.count()
  const user =
    typeof given === 'object' && !Array.isArray(given) && Object.keys(given).length > 0
      ? { ...somebody(), ...given }
      : given
  const { refused } = await importing(somebody({ emailVerified: false, id: `x-${people}` }), user)
  expect(refused).toMatchObject([{ row: 2, reason }])
  expect(JSON.stringify(refused)).not.toMatch(/@|\$2b|horse|javascript/)
  expect(await setup.db.user.count()).toBe(before + 1)
})

test('whoever proves an imported address that nobody had proven gets it, without the imported password', async () => {
  const user = somebody({
    emailVerified: false,
    createdAt: '2020-01-01',
    passwordHash: await bcrypt.hash(TEST_PASSWORD, 5),
  })
  expect(await importing(user)).toMatchObject({ imported: 1, unverified: 1 })
  const found = await setup.db.user.findUniqueOrThrow({ where: { email: user.email } })
  // The date would have the user deleted the next night.
  expect(found.createdAt.getTime()).toBeGreaterThan(Date.now() - 60_000)
  expect(await signIn(user.email)).toBe(401)
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'WelcomeEmail')
  expect((await setup.auth.post('/confirm-email', { token })).status).toBe(200)
  expect(await hashOf(user.email)).toBeNull()
})

test('what is no list of users is refused at once', async () => {
  for (const given of ['a@example.com', undefined, 7, {}]) {
    await expect(setup.auth.importUsers(given as never)).rejects.toMatchObject({
      code: 'invalid_options',
    })
  }
})

const pieces = async function* (...texts: string[]) {
  yield* texts
}
const all = async (users: AsyncIterable<unknown>) => {
  const found: unknown[] = []
  for await (const each of users) found.push(each)
  return found
}

test('CSV is read as it arrives: quotes, commas, line breaks, accounts and empty values', async () => {
  const csv =
    '\ufeffemail,name,emailVerified,accounts\r\n' +
    'a@example.com,"Lovelace, ""Ada""\nof London",t,github:1 google:a:b\r\n' +
    'b@example.com,,false,\r\n'
  for (const size of [1, 7, 1000]) {
    const cut = Array.from({ length: Math.ceil(csv.length / size) }, (_, n) =>
      csv.slice(n * size, (n + 1) * size),
    )
    expect(await all(readUsers(pieces(...cut), 'csv'))).toEqual([
      {
        email: 'a@example.com',
        name: 'Lovelace, "Ada"\nof London',
        emailVerified: true,
        accounts: [
          { providerId: 'github', accountId: '1' },
          { providerId: 'google', accountId: 'a:b' },
        ],
      },
      { email: 'b@example.com', name: null, emailVerified: false, accounts: null },
    ])
  }
})

test.each([
  ['csv', 'email,name\na@example.com\nb@example.com,B\n', ['unreadable_row', 'b@example.com']],
  ['csv', 'email,name\n"a@example.com,A\nb@example.com,B\n', ['unreadable_row']],
  [
    'jsonl',
    '{"email":"a@example.com"\n{"email":"b@example.com"}\n\n',
    ['unreadable_row', 'b@example.com'],
  ],
  [
    'jsonl',
    `${'x'.repeat(300_000)}\n{"email":"b@example.com"}`,
    ['unreadable_row', 'b@example.com'],
  ],
  ['csv', 'email,email\na@example.com,b@example.com\n', ['unreadable_row']],
  ['csv', 'email\n"a@example.com".evil\nb@example.com\n', ['unreadable_row']],
  ['csv', 'email,name\ra@example.com,A\rb@example.com,B', ['a@example.com', 'b@example.com']],
  [
    'csv',
    'email,name\na@example.com,M\ufffdller\nb@example.com,B',
    ['unreadable_row', 'b@example.com'],
  ],
  [
    'jsonl',
    '{"email":"a@example.com","name":"M\ufffdller"}\n{"email":"b@example.com"}',
    ['unreadable_row', 'b@example.com'],
  ],
] as const)(
  'a line of %s that cannot be read is refused by itself',
  async (format, given, expected) => {
    const found = (await all(readUsers(pieces(given), format))) as {
      reason?: string
      email?: string
    }[]
    expect(found.map(({ reason, email }) => reason ?? email)).toEqual(expected)
  },
)

const CLI = fileURLToPath(new URL('../cli.ts', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tollgate-import-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function command(args: string[], input?: string) {
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--import', import.meta.resolve('tsx'), CLI, ...args],
    {
      cwd: folder,
      env: {
        PATH: process.env.PATH ?? '',
        DATABASE_URL: setup.url,
        APP_URL: 'https://app.example.com',
        BETTER_AUTH_SECRET: 'a-secret-of-32-characters-for-tests',
      },
      stdio: 'pipe',
    },
  )
  child.stdin.end(input ?? '')
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((done) => child.once('close', done)),
  ])
  return { code, stdout, stderr }
}
const lines = (...users: unknown[]) => users.map((user) => `${JSON.stringify(user)}\n`).join('')

test('the command imports a file once it is whole, and names rows without personal data', async () => {
  const [good, bad] = [
    somebody({ passwordHash: hexScrypt(TEST_PASSWORD) }),
    somebody({ passwordHash: 'secret-md5' }),
  ]
  const file = join(folder, 'users.jsonl')
  await writeFile(file, lines(good, bad))
  const refused = await command(['import-users', file, '--json'])
  expect(refused.code).toBe(1)
  expect(JSON.parse(refused.stdout)).toMatchObject({
    imported: 0,
    refused: [{ row: 2, reason: 'unknown_hash' }],
  })
  expect(refused.stderr).toContain('Nothing was written.')
  expect(refused.stderr + refused.stdout).not.toMatch(/example\.com|secret-md5/)
  expect(await setup.db.user.count({ where: { email: good.email } })).toBe(0)

  const done = await command(['import-users', file, '--json', '--skip-refused'])
  expect(JSON.parse(done.stdout)).toMatchObject({ imported: 1 })
  expect(await signIn(good.email)).toBe(200)
})

test('the command reads standard input, and says what it needs', async () => {
  const user = somebody()
  const csv = `email,emailVerified\n${user.email},true\n`
  expect(await command(['import-users', '-', '--format', 'csv', '--dry-run'], csv)).toMatchObject({
    code: 0,
  })
  expect(await setup.db.user.count({ where: { email: user.email } })).toBe(0)
  expect(
    await command(['import-users', '-', '--format', 'csv', '--skip-refused'], csv),
  ).toMatchObject({ code: 0 })
  expect(await setup.db.user.count({ where: { email: user.email } })).toBe(1)
  for (const args of [
    [],
    ['import-users'],
    ['import-users', '-'],
    ['import-users', 'absent.jsonl'],
    ['import-users', '-', '--format', 'xml'],
  ]) {
    expect(await command(args, csv)).toMatchObject({ code: 2, stdout: '' })
  }
})

test('a second instance of the host checks with its own rounds', async () => {
  const auth = createTestAuth({ db: setup.db, bcryptRounds: 13 })
  const result = await auth.importUsers([somebody({ passwordHash: `$2b$13$${'a'.repeat(53)}` })], {
    dryRun: true,
  })
  expect(result.refused).toEqual([])
  await auth.close()
})
