/** A code of the second factor is good once, whatever cookies come along, and counts as people type it. */

import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { backupCodeOf, totpOf } from '../sign-in/second-factor-codes.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD } from '../testing.ts'
import { codeOf } from './authenticator.ts'
import { byLink, byPassword, codeIn, type Person, personWithFactor } from './people.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth({ twoFactor: true })

/** Two with a second factor, and somebody without. */
let ada: Person
let bob: Person
let carol: { cookie: string }
beforeAll(async () => {
  ada = await personWithFactor(setup.auth)
  bob = await personWithFactor(setup.auth)
  carol = await setup.auth.signIn()
})

let codesLeft = 0
/** As if no code had been sent yet; the next backup codes are new ones. */
beforeEach(async () => {
  await setup.db.twoFactor.updateMany({
    data: { lastUsedStep: null, failedVerificationCount: 0, lockedUntil: null },
  })
  if (codesLeft > 3) return
  const body = { password: TEST_PASSWORD }
  const cookie = await signedIn(ada)
  const answer = await setup.auth.post('/two-factor/generate-backup-codes', body, { cookie })
  ada.backupCodes = ((await answer.json()) as Person).backupCodes
  codesLeft = ada.backupCodes.length
})

const KINDS = ['totp', 'backup-code'] as const
type Kind = (typeof KINDS)[number]
const send = (kind: Kind, code: string, cookie: string) =>
  setup.auth.post(`/two-factor/verify-${kind}`, { code }, { cookie })
const backupCode = () => {
  codesLeft -= 1
  return ada.backupCodes[codesLeft] as string
}
/** A code of Ada's that is good now, and was never sent. */
const goodCode = async (kind: Kind) => (kind === 'totp' ? codeOf(ada.secret) : backupCode())
const join = (...cookies: string[]) => cookies.filter(Boolean).join('; ')
const challengeOf = (person: Person) => byPassword(setup.auth, person.email)

/** A session of aal2, with a code that is forgotten again. */
async function signedIn(person: Person): Promise<string> {
  const pending = await byLink(setup.auth, person.email)
  const answer = await send('totp', await codeOf(person.secret, 0), pending)
  expect(answer.status).toBe(200)
  await setup.db.twoFactor.updateMany({ data: { lastUsedStep: null } })
  return cookiesOf(answer)
}

/** A session's cookie whose token has a successor that was seen: a copy. */
async function copiedSession(person: Person): Promise<string> {
  const pairs = (await signedIn(person)).split('; ')
  const session = pairs.find((pair) => pair.includes('session_token')) ?? ''
  await setup.auth.post('/access/refresh', {}, { cookie: session })
  await setup.db.session.updateMany({
    where: { userId: person.userId },
    data: { successorSeenAt: new Date(Date.now() - 60_000) },
  })
  return session
}

/** The cookie of a sign-in whose code was shown. */
async function servedChallenge(): Promise<string> {
  const waiting = await challengeOf(ada)
  expect((await send('backup-code', backupCode(), waiting)).status).toBe(200)
  return waiting
}

/** What a browser may send beside the cookie that a second use of a code comes with. */
const BESIDE: [string, () => Promise<string>][] = [
  ['nothing', async () => ''],
  ['the session of the same person', () => signedIn(ada)],
  ['the session of another person', async () => carol.cookie],
  ['the session of another person with a second factor', () => signedIn(bob)],
  ['the copied session of another person with a second factor', () => copiedSession(bob)],
  ['a sign-in that waits, twice', async () => challengeOf(ada).then((one) => join(one, one))],
  ['a sign-in of another person that waits', () => challengeOf(bob)],
  ['a sign-in that has served', servedChallenge],
]

describe.each(KINDS)('%s', (kind) => {
  test.each(BESIDE)('a used code does not work again beside %s', async (_, beside) => {
    const extra = await beside()
    const ways = [await challengeOf(ada), await byLink(setup.auth, ada.email), '']
    const code = await goodCode(kind)
    expect((await send(kind, code, await challengeOf(ada))).status).toBe(200)
    for (const way of ways) {
      for (const cookie of [join(way, extra), join(extra, way)]) {
        const again = await send(kind, code, cookie)
        expect([400, 401], cookie).toContain(again.status)
        expect(again.headers.getSetCookie().join()).not.toMatch(/access_token=e|session_token=[^;]/)
      }
    }
  })

  test('one of many requests with the same code at the same time succeeds, by sign-ins and sessions alike', async () => {
    const session = await signedIn(ada)
    const cookies = [
      await challengeOf(ada),
      await challengeOf(ada),
      await byLink(setup.auth, ada.email),
      await byLink(setup.auth, ada.email),
      session,
      join(session, await challengeOf(ada)),
    ]
    const code = await goodCode(kind)
    const answers = await Promise.all(cookies.map((cookie) => send(kind, code, cookie)))
    const codes = await Promise.all(answers.map(codeIn))
    const used = kind === 'totp' ? 'code_used' : 'invalid_backup_code'
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(codes.filter((each) => each === used)).toHaveLength(5)
  })

  test('a wrong code does not spoil a right code that is sent at the same time', async () => {
    const waiting = [await challengeOf(ada), await challengeOf(ada)]
    const code = await goodCode(kind)
    const answers = await Promise.all([
      send(kind, code, waiting[0] as string),
      send(kind, '000000', waiting[1] as string),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 401])
  })
})

test('two backup codes at the same time both work', async () => {
  const waiting = await Promise.all([1, 2].map(() => challengeOf(ada)))
  const before = codesLeft
  const answers = await Promise.all(
    waiting.map((cookie) => send('backup-code', backupCode(), cookie)),
  )
  expect(answers.map(({ status }) => status)).toEqual([200, 200])
  const { userId } = ada
  const row = await setup.db.twoFactor.findUniqueOrThrow({ where: { userId } })
  expect(JSON.parse(row.backupCodes)).toHaveLength(before - 2)
})

test('a code that another person sends is not used up and does not count as a try of its owner', async () => {
  const code = await codeOf(bob.secret)
  expect((await send('totp', code, await signedIn(ada))).status).toBe(401)
  const row = await setup.db.twoFactor.findUniqueOrThrow({ where: { userId: bob.userId } })
  expect([row.failedVerificationCount, row.lastUsedStep]).toEqual([0, null])
  expect((await send('totp', code, await challengeOf(bob))).status).toBe(200)
})

test('a lock says when it ends, and ends no session', async () => {
  const cookie = await signedIn(ada)
  for (let n = 0; n < 10; n += 1) await send('totp', `wrong ${n}`, cookie)
  const locked = await send('totp', await codeOf(ada.secret), cookie)
  expect([locked.status, locked.headers.get('retry-after')]).toEqual([429, '900'])
  expect(await setup.auth.getSession(setup.auth.request('/', { cookie }))).not.toBeNull()
})

const fullWidth = (code: string) =>
  code.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)))
const arabic = (code: string) =>
  code.replace(/\d/g, (digit) => String.fromCodePoint(0x0660 + Number(digit)))

test.each([
  ['in threes', (code: string) => `${code.slice(0, 3)} ${code.slice(3)}`],
  ['with a dash', (code: string) => `${code.slice(0, 3)}-${code.slice(3)}`],
  ['with a long dash', (code: string) => `${code.slice(0, 3)}\u2013${code.slice(3)}`],
  ['with blanks around', (code: string) => `\u00a0 ${code}\n`],
  [
    'with marks that nobody sees',
    (code: string) => `\u200e${code.slice(0, 3)}\u200b${code.slice(3)}`,
  ],
  ['in full width', fullWidth],
  ['in Arabic digits', arabic],
])('a code of an app counts %s', async (_, typed) => {
  const code = await codeOf(ada.secret)
  const pending = [await byLink(setup.auth, ada.email), await byLink(setup.auth, ada.email)]
  expect((await send('totp', typed(code), pending[0] as string)).status).toBe(200)
  // It is the same code, and so it is used.
  expect(await codeIn(await send('totp', code, pending[1] as string))).toBe('code_used')
})

test.each([
  ['without its dash', (code: string) => code.replace('-', '')],
  ['in capitals', (code: string) => code.toUpperCase()],
  ['with a blank in place of the dash', (code: string) => ` ${code.replace('-', ' ')} `],
  ['in full width', (code: string) => fullWidth(code)],
  [
    'with letters that look like digits',
    (code: string) => code.replaceAll('0', 'O').replaceAll('1', 'l'),
  ],
])('a backup code counts %s', async (_, typed) => {
  const code = backupCode()
  const pending = [await byLink(setup.auth, ada.email), await byLink(setup.auth, ada.email)]
  expect((await send('backup-code', typed(code), pending[0] as string)).status).toBe(200)
  expect((await send('backup-code', code, pending[1] as string)).status).toBe(401)
})

test('backup codes contain no letters that are easily confused, and all differ', () => {
  for (const code of bob.backupCodes) {
    expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$/)
  }
  expect(new Set(bob.backupCodes.map(backupCodeOf)).size).toBe(10)
})

test('text that is not a code is refused, and is not a 500', async () => {
  const cookie = await byLink(setup.auth, ada.email)
  for (const text of [
    '',
    '     ',
    '12345',
    '1234567',
    '12345a',
    '---',
    '½23456',
    'x'.repeat(256),
  ]) {
    for (const kind of KINDS) {
      await setup.db.twoFactor.updateMany({ data: { failedVerificationCount: 0 } })
      const answer = await send(kind, text, cookie)
      expect([text, text === '' ? 400 : 401]).toEqual([text, answer.status])
    }
  }
})

test('digits of any script are read by their value', () => {
  expect(totpOf('０１２ ３４５')).toBe('012345')
  expect(totpOf('٠١٢٣٤٥')).toBe('012345')
  expect(totpOf('۶۷۸۹۰۱')).toBe('678901')
  expect(totpOf('०१२३४९')).toBe('012349')
  expect(totpOf('𝟘𝟙𝟚𝟛𝟜𝟡')).toBe('012349')
})

test('a code that was used on one instance is used up on another, too', async () => {
  const other = createTestAuth({ db: setup.db, twoFactor: true })
  const code = await codeOf(ada.secret)
  const cookies = [await challengeOf(ada), await byPassword(other, ada.email)]
  const answers = await Promise.all([
    send('totp', code, cookies[0] as string),
    other.post('/two-factor/verify-totp', { code }, { cookie: cookies[1] as string }),
  ])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401])
  await other.close()
})
