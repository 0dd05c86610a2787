/** What has run out is deleted, and what is alive is not. */

import { expect, test } from 'vitest'
import { authCron } from '../jobs.ts'
import { purgeExpired } from '../session/expired.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

const NOW = new Date()
const minutes = (count: number) => new Date(NOW.getTime() + count * 60_000)
const IDENTIFIER = `hashed:oauth-state:${'x'.repeat(43)}`

test('counts, links, codes, tokens and sessions are deleted after they expire, and not before', async () => {
  const { db } = setup
  const { userId } = await setup.auth.signIn()
  await db.rateLimit.deleteMany()
  await db.verificationToken.deleteMany()
  await db.oauthClient.create({ data: { id: 'client', clientId: 'client', redirectUris: [] } })
  await db.session.deleteMany()
  for (const [id, at] of [
    ['old', -1],
    ['young', 1],
  ] as const) {
    const expiresAt = minutes(at)
    await db.session.create({ data: { id, token: id, userId, expiresAt } })
    await db.session.create({ data: { id: `${id}-idle`, token: `${id}-idle`, userId, expiresAt } })
  }
  const common = { clientId: 'client', userId, createdAt: NOW }
  for (const [id, at] of [
    ['old', -1],
    ['young', 1],
  ] as const) {
    const expiresAt = minutes(at)
    await db.rateLimit.create({ data: { key: id, points: 1, expire: BigInt(expiresAt.getTime()) } })
    await db.verificationToken.create({
      data: { id, identifier: IDENTIFIER, value: '', expiresAt },
    })
    await db.oauthClientAssertion.create({ data: { id, expiresAt } })
    await db.oauthAccessToken.create({
      data: { id, token: id, sessionId: 'young', expiresAt, ...common },
    })
    // One grant: its first token has run out, and its last has not.
    await db.oauthRefreshToken.create({
      data: {
        id,
        token: id,
        sessionId: 'old',
        authorizationCodeId: 'grant',
        expiresAt,
        rotationReplayExpiresAt: expiresAt,
        rotationReplayResponse: 'sealed',
        ...common,
      },
    })
  }
  await db.oauthRefreshToken.create({
    data: {
      id: 'used-long-ago',
      token: 'used-long-ago',
      sessionId: 'old',
      authorizationCodeId: 'grant',
      expiresAt: minutes(1),
      revoked: minutes(-8 * 24 * 60),
      ...common,
    },
  })
  await db.oauthRefreshToken.create({
    data: {
      id: 'rotated',
      token: 'rotated',
      sessionId: 'old',
      authorizationCodeId: 'grant',
      expiresAt: minutes(1),
      revoked: NOW,
      rotationReplayExpiresAt: minutes(-1),
      rotationReplayResponse: 'sealed',
      ...common,
    },
  })

  expect(await purgeExpired(db, NOW)).toBe(7)
  const left = async (rows: Promise<{ id: string }[]>) => (await rows).map(({ id }) => id).sort()
  expect((await db.rateLimit.findMany()).map(({ key }) => key)).toEqual(['young'])
  expect(await left(db.verificationToken.findMany())).toEqual(['young'])
  expect(await left(db.oauthClientAssertion.findMany())).toEqual(['young'])
  expect(await left(db.oauthAccessToken.findMany())).toEqual(['young'])
  expect(await left(db.oauthRefreshToken.findMany())).toEqual(['rotated', 'young'])
  // The old one still ends its grant when it is ended.
  expect(await left(db.session.findMany())).toEqual(['old', 'young', 'young-idle'])
  const kept = await db.oauthRefreshToken.findMany({ orderBy: { id: 'asc' } })
  expect(kept.map(({ rotationReplayResponse: sealed }) => sealed)).toEqual([null, 'sealed'])
  expect(await purgeExpired(db, NOW)).toBe(0)
})

test('they are deleted in batches by a cron job, which skips locked rows', async () => {
  const { db } = setup
  const expire = BigInt(minutes(-1).getTime())
  const keys = Array.from({ length: 2_100 }, (_, n) => `many-${n}`)
  await db.rateLimit.createMany({ data: keys.map((key) => ({ key, expire })) })
  await db.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "RateLimit" WHERE "key" = 'many-7' FOR UPDATE`
    const job = setup.auth.jobs.find(({ name }) => name === 'auth.purgeExpired')
    await job?.run({}, { id: '1', attempt: 1, signal: new AbortController().signal })
  })
  const left = await db.rateLimit.findMany({ where: { key: { startsWith: 'many-' } } })
  expect(left.map(({ key }) => key)).toEqual(['many-7'])
  expect(authCron.map(({ job }) => job)).toContain('auth.purgeExpired')
})
