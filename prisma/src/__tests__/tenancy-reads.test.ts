/** Promise 6, reading: whatever is asked, and however deep, only the organization's rows answer. */

import { describe, expect, test } from 'vitest'
import { ALPHA, BETA } from './two-organizations.ts'
import { type Attack, changesNothing, setUpWalls, threeWays, type Untyped, WALLS } from './walls.ts'

/** From a row on, in both directions. */
const page = async (model: Untyped, cursor: object) => {
  const select = { id: true }
  const onwards = await model.findMany({ cursor, select, orderBy: { id: 'asc' } })
  return [...onwards, ...(await model.findMany({ cursor, select, orderBy: { id: 'desc' } }))]
}

const CANNOT_SEE: Attack[] = [
  ['findMany', (a) => a.member.findMany({ where: { role: 'BETA' } }), []],
  ['findMany by the foreign id', (a) => a.member.findMany({ where: { organizationId: BETA } }), []],
  [
    'findMany with OR',
    (a) => a.member.findMany({ where: { OR: [{ organizationId: BETA }, { role: 'BETA' }] } }),
    [],
  ],
  ['findMany with NOT', (a) => a.organization.findMany({ where: { NOT: { id: ALPHA } } }), []],
  ['findFirst', (a) => a.member.findFirst({ where: { role: 'BETA' } }), null],
  ['findFirstOrThrow', (a) => a.member.findFirstOrThrow({ where: { role: 'BETA' } }), 'P2025'],
  ['findUnique', (a) => a.member.findUnique({ where: { id: 'member_BETA_both' } }), null],
  [
    'findUnique by a compound key',
    (a) =>
      a.member.findUnique({
        where: { organizationId_userId: { organizationId: BETA, userId: 'user_both' } },
      }),
    null,
  ],
  ['findUnique of it', (a) => a.organization.findUnique({ where: { slug: 'BETA' } }), null],
  [
    'findUniqueOrThrow',
    (a) => a.invitation.findUniqueOrThrow({ where: { id: 'invitation_BETA' } }),
    'P2025',
  ],
  ['findUnique of a person', (a) => a.user.findUnique({ where: { id: 'user_BETA' } }), null],
  [
    'findUnique of a payment',
    (a) => a.payment.findUnique({ where: { stripePaymentIntentId: `pi_${BETA}` } }),
    null,
  ],
  [
    'the billing of a member',
    (a) => a.customer.findUnique({ where: { ownerId: 'user_alpha' } }),
    null,
  ],
  ['count', (a) => a.member.count(), 2],
  ['count of columns', (a) => a.member.count({ select: { _all: true } }), { _all: 2 }],
  ['aggregate', (a) => a.refund.aggregate({ _sum: { amount: true } }), { _sum: { amount: 1n } }],
  [
    'groupBy',
    (a) => a.member.groupBy({ by: ['role'], _count: true, orderBy: { role: 'asc' } }),
    [{ role: 'ALPHA', _count: 2 }],
  ],
  ['groupBy with having', (a) => a.member.groupBy({ by: ['role'], having: { role: 'BETA' } }), []],
  [
    'include through a person in both',
    (a) =>
      a.user
        .findUnique({ where: { id: 'user_both' }, select: { members: true } })
        .then((user: Untyped) => user.members.map((member: Untyped) => member.id)),
    ['member_alpha_both'],
  ],
  [
    'include, deeper',
    (a) =>
      a.member
        .findMany({
          where: { userId: 'user_both' },
          include: { user: { include: { members: { include: { organization: true } } } } },
        })
        .then((found: Untyped) => found[0].user.members.length),
    1,
  ],
  [
    'an include that asks for the foreign ones',
    (a) =>
      a.user.findMany({
        where: { id: 'user_both' },
        select: { members: { where: { OR: [{ organizationId: BETA }] } } },
      }),
    [{ members: [] }],
  ],
  [
    'the fluent form',
    (a) => a.user.findUnique({ where: { id: 'user_both' } }).members({ select: { id: true } }),
    [{ id: 'member_alpha_both' }],
  ],
  [
    'the fluent form of a foreign row',
    (a) => a.member.findUnique({ where: { id: 'member_BETA_both' } }).organization(),
    null,
  ],
  [
    'counting what hangs on a row',
    (a) =>
      a.user.findMany({
        where: { id: 'user_both' },
        select: { _count: { select: { members: true } } },
      }),
    [{ _count: { members: 1 } }],
  ],
  [
    'counting what hangs on a row, filtered',
    (a) =>
      a.user.findMany({
        where: { id: 'user_both' },
        select: { _count: { select: { members: { where: { role: 'BETA' } } } } },
      }),
    [{ _count: { members: 0 } }],
  ],
  [
    'counting everything that hangs on an own row',
    (a) => a.organization.findMany({ select: { _count: true } }),
    [{ _count: expect.objectContaining({ members: 2, invitations: 1 }) }],
  ],
  [
    'guessing by some',
    (a) => a.member.findMany({ where: { user: { members: { some: { role: 'BETA' } } } } }),
    [],
  ],
  [
    'guessing by none',
    (a) => a.member.count({ where: { user: { members: { none: { role: 'BETA' } } } } }),
    2,
  ],
  [
    'guessing by every',
    (a) => a.member.count({ where: { user: { members: { every: { role: 'ALPHA' } } } } }),
    2,
  ],
  [
    'guessing by is',
    (a) =>
      a.member.findMany({
        where: { user: { is: { members: { some: { organization: { is: { id: BETA } } } } } } },
      }),
    [],
  ],
  [
    'guessing by isNot',
    (a) =>
      a.user.count({
        where: { members: { some: { organization: { isNot: { slug: 'BETA' } } } } },
      }),
    2,
  ],
  [
    'guessing in a nested AND',
    (a) =>
      a.member.findMany({
        where: { AND: [{ OR: [{ user: { members: { some: { role: 'BETA' } } } }] }] },
      }),
    [],
  ],
  [
    'guessing tokens',
    (a) => a.user.findMany({ where: { sessions: { some: { token: { contains: 'BETA' } } } } }),
    'outside_organization',
  ],
  ['a cursor on a foreign row', (a) => page(a.member, { id: 'member_BETA_BETA' }), []],
  ['a cursor on it by slug', (a) => page(a.organization, { slug: 'BETA' }), []],
  [
    'a cursor that names the foreign id',
    (a) => page(a.member, { id: 'member_BETA_BETA', organizationId: BETA }),
    [],
  ],
  [
    'a cursor where whose a row is stands in another table',
    (a) => page(a.payment, { id: `payment_${BETA}` }),
    'unscoped_query',
  ],
  [
    'a cursor in an include',
    (a) => a.organization.findMany({ select: { members: { cursor: { id: 'member_BETA_BETA' } } } }),
    [{ members: [] }],
  ],
  [
    'an order by foreign rows',
    (a) => a.user.findMany({ orderBy: { members: { _count: 'desc' } } }),
    'unscoped_query',
  ],
  [
    'an order by hidden rows',
    (a) => a.member.findMany({ orderBy: { user: { sessions: { _count: 'desc' } } } }),
    'outside_organization',
  ],
  ['sessions', (a) => a.session.findMany(), 'outside_organization'],
  [
    'sessions included',
    (a) => a.user.findMany({ include: { sessions: true } }),
    'outside_organization',
  ],
  [
    'sessions selected',
    (a) => a.member.findMany({ select: { user: { select: { sessions: true } } } }),
    'outside_organization',
  ],
  [
    'sessions counted',
    (a) => a.user.findMany({ select: { _count: true } }),
    'outside_organization',
  ],
  ['keys', (a) => a.jwks.findFirst(), 'outside_organization'],
  ['events', (a) => a.webhookEvent.count(), 'outside_organization'],
  ['effects', (a) => a.effect.aggregate({ _count: true }), 'outside_organization'],
]

/** As they come from a form without the field. Prisma takes each for no filter. */
const LEFT_OUT: [string, (a: Untyped) => PromiseLike<unknown>][] = [
  ['deleteMany', (a) => a.member.deleteMany({ where: { id: undefined } })],
  ['deleteMany of nothing named', (a) => a.member.deleteMany({ where: undefined })],
  ['updateMany', (a) => a.member.updateMany({ where: { id: undefined }, data: { role: 'X' } })],
  ['findFirst', (a) => a.user.findFirst({ where: { id: undefined } })],
  ['an operator', (a) => a.member.deleteMany({ where: { id: { equals: undefined } } })],
  ['a part of AND', (a) => a.member.deleteMany({ where: { AND: [{ id: undefined }] } })],
  ['AND', (a) => a.member.deleteMany({ where: { AND: undefined } })],
  ['NOT', (a) => a.member.deleteMany({ where: { NOT: { id: { in: undefined } } } })],
  ['a relation', (a) => a.member.deleteMany({ where: { user: undefined } })],
  ['a relation by is', (a) => a.member.deleteMany({ where: { user: { is: undefined } } })],
  ['some', (a) => a.user.findMany({ where: { members: { some: undefined } } })],
  ['inside some', (a) => a.user.findMany({ where: { members: { some: { id: undefined } } } })],
  ['an include', (a) => a.user.findMany({ include: { members: { where: { id: undefined } } } })],
  [
    'a count',
    (a) =>
      a.user.findMany({
        select: { _count: { select: { members: { where: { id: undefined } } } } },
      }),
  ],
  ['having', (a) => a.member.groupBy({ by: ['role'], having: { role: undefined } })],
  [
    'a nested deleteMany',
    (a) =>
      a.organization.update({
        where: { id: ALPHA },
        data: { members: { deleteMany: { id: undefined } } },
      }),
  ],
  [
    'a nested updateMany',
    (a) =>
      a.organization.update({
        where: { id: ALPHA },
        data: { members: { updateMany: { where: { id: undefined }, data: { role: 'X' } } } },
      }),
  ],
  [
    'a nested updateMany of nothing named',
    (a) =>
      a.organization.update({
        where: { id: ALPHA },
        data: { members: { updateMany: { where: undefined, data: { role: 'X' } } } },
      }),
  ],
]

describe.each(WALLS)('with %s', (walls) => {
  const setup = setUpWalls(walls)

  test.each(LEFT_OUT)('a filter that is undefined is refused in %s', (_, query) =>
    changesNothing(setup, query, 'invalid_argument'),
  )

  test.each(CANNOT_SEE)('promise 6: not seen by %s', async (_, query, expected) => {
    for (const ask of threeWays(setup, query)) {
      const answer = await ask()
      expect(answer).toEqual(expected)
      await setup.unharmed(answer)
    }
  })

  test('promise 6: a row that refers to another organization’s row does not lead to it', async () => {
    const { db, alpha } = setup
    const booking = await db.booking.create({
      data: {
        calBookingUid: 'crossed',
        calCreatedAt: new Date(),
        customerId: `customer_${ALPHA}`,
        paymentId: `payment_${BETA}`,
        title: 'crossed',
        status: 'accepted',
        startsAt: new Date(),
        endsAt: new Date(),
      },
    })
    const where = { id: booking.id }
    const included = await alpha.booking.findMany({ where, include: { payment: true } })
    expect(included).toMatchObject([{ id: booking.id, payment: null }])
    const guess = { payment: { customer: { ownerId: BETA } } }
    expect(await alpha.booking.count({ where: { ...where, ...guess } })).toBe(0)
    expect(await alpha.booking.count({ where: { ...where, NOT: guess } })).toBe(1)
    expect(
      await alpha.booking.findMany({ where, orderBy: { payment: { amount: 'asc' } } }),
    ).toEqual([])
    await db.booking.delete({ where })
  })

  test('promise 6: an organization reads its own rows', async () => {
    const { alpha, unharmed } = setup
    expect(await alpha.organization.findMany()).toMatchObject([{ id: ALPHA }])
    expect(await alpha.member.count()).toBe(2)
    expect(await alpha.invitation.findMany()).toHaveLength(1)
    const users = await alpha.user.findMany({ orderBy: { id: 'asc' } })
    expect(users.map(({ id }) => id)).toEqual(['user_alpha', 'user_both'])
    expect(await alpha.price.findMany({ include: { product: true } })).toHaveLength(1)
    for (const model of [
      'customer',
      'subscription',
      'invoice',
      'payment',
      'refund',
      'checkoutSession',
      'booking',
    ] as const) {
      const rows = (await (alpha as Untyped)[model].findMany()) as { id: string }[]
      expect(rows.map(({ id }) => id)).toEqual([expect.stringContaining(ALPHA)])
    }
    await unharmed(await alpha.subscription.findMany({ include: { customer: true, price: true } }))
  })
})
