/** Promise 6, writing: rows are stamped, foreign ids refused, and nothing of another organization changes. */

import { describe, expect, test } from 'vitest'
import { ALPHA, BETA } from './two-organizations.ts'
import { type Attack, changesNothing, setUpWalls, type Untyped, WALLS } from './walls.ts'

const member = { id: 'x', userId: 'user_both', role: 'X' }
const invitation = {
  id: 'x',
  email: 'x',
  status: 'pending',
  role: 'X',
  expiresAt: new Date(),
  inviterId: 'user_alpha',
}
const CANNOT_WRITE: Attack[] = [
  ...['x', null, [], 7].map(
    (given): Attack => [
      `deleteMany of ${JSON.stringify(given)}`,
      (a) => a.member.deleteMany(given),
      'unscoped_query',
    ],
  ),
  ...['x', null, [], 7].map(
    (where): Attack => [
      `deleteMany where ${JSON.stringify(where)}`,
      (a) => a.member.deleteMany({ where }),
      expect.stringMatching('validation|Invalid'),
    ],
  ),
  [
    'create with the foreign id',
    (a) => a.invitation.create({ data: { ...invitation, organizationId: BETA } }),
    'foreign_organization',
  ],
  [
    'create with the foreign relation',
    (a) =>
      a.invitation.create({ data: { ...invitation, organization: { connect: { id: BETA } } } }),
    'foreign_organization',
  ],
  [
    'create with the foreign relation by another key',
    (a) =>
      a.invitation.create({
        data: { ...invitation, organization: { connect: { slug: 'BETA' } } },
      }),
    'foreign_organization',
  ],
  [
    'create that connects two',
    (a) =>
      a.invitation.create({
        data: { ...invitation, organization: { connect: { id: ALPHA, slug: 'BETA' } } },
      }),
    'foreign_organization',
  ],
  [
    'createMany with one foreign id',
    (a) =>
      a.invitation.createMany({
        data: [invitation, { ...invitation, id: 'y', organizationId: BETA }],
      }),
    'foreign_organization',
  ],
  [
    'createManyAndReturn',
    (a) => a.invitation.createManyAndReturn({ data: [{ ...invitation, organizationId: BETA }] }),
    'foreign_organization',
  ],
  [
    'create of an organization',
    (a) => a.organization.create({ data: { id: 'org_x', name: 'x', slug: 'x' } }),
    'foreign_organization',
  ],
  [
    'create of an organization without id',
    (a) => a.organization.create({ data: { name: 'x', slug: 'x' } }),
    'P2002',
  ],
  [
    'update',
    (a) => a.member.update({ where: { id: 'member_BETA_both' }, data: { role: 'X' } }),
    'P2025',
  ],
  [
    'update of it',
    (a) => a.organization.update({ where: { id: BETA }, data: { name: 'x' } }),
    'P2025',
  ],
  [
    'update that gives a row away',
    (a) => a.member.update({ where: { id: 'member_alpha_alpha' }, data: { organizationId: BETA } }),
    'foreign_organization',
  ],
  [
    'update that gives a row away by set',
    (a) =>
      a.member.update({
        where: { id: 'member_alpha_alpha' },
        data: { organizationId: { set: BETA } },
      }),
    'foreign_organization',
  ],
  [
    'update that gives a row away by relation',
    (a) =>
      a.member.update({
        where: { id: 'member_alpha_alpha' },
        data: { organization: { connect: { id: BETA } } },
      }),
    'foreign_organization',
  ],
  [
    'updateMany',
    (a) => a.member.updateMany({ where: { role: 'BETA' }, data: { role: 'X' } }),
    { count: 0 },
  ],
  [
    'updateMany that gives rows away',
    (a) => a.member.updateMany({ data: { organizationId: BETA } }),
    'foreign_organization',
  ],
  [
    'updateManyAndReturn',
    (a) => a.member.updateManyAndReturn({ where: { organizationId: BETA }, data: { role: 'X' } }),
    [],
  ],
  ['delete', (a) => a.member.delete({ where: { id: 'member_BETA_BETA' } }), 'P2025'],
  ['delete of it', (a) => a.organization.delete({ where: { slug: 'BETA' } }), 'P2025'],
  ['deleteMany', (a) => a.member.deleteMany({ where: { role: 'BETA' } }), { count: 0 }],
  [
    'upsert of a foreign row',
    (a) =>
      a.invitation.upsert({
        where: { id: 'invitation_BETA' },
        create: { ...invitation, id: 'invitation_BETA' },
        update: { email: 'x' },
      }),
    'P2002',
  ],
  [
    'upsert by the foreign key',
    (a) =>
      a.member.upsert({
        where: { organizationId_userId: { organizationId: BETA, userId: 'user_BETA' } },
        create: { ...member, userId: 'user_BETA', organizationId: BETA },
        update: { role: 'X' },
      }),
    'foreign_organization',
  ],
  [
    'upsert that gives a row away',
    (a) =>
      a.member.upsert({
        where: { id: 'member_alpha_alpha' },
        create: member,
        update: { organizationId: BETA },
      }),
    'foreign_organization',
  ],
  [
    'a person',
    (a) => a.user.update({ where: { id: 'user_alpha' }, data: { role: 'ADMIN' } }),
    'outside_organization',
  ],
  [
    'its own billing',
    (a) => a.subscription.updateMany({ data: { status: 'canceled' } }),
    'outside_organization',
  ],
  [
    'another billing',
    (a) => a.customer.create({ data: { ownerId: BETA, ownerType: 'organization' } }),
    'outside_organization',
  ],
  ['a delete of billing', (a) => a.refund.deleteMany(), 'outside_organization'],
  [
    'a delete of one payment',
    (a) => a.payment.delete({ where: { id: `payment_${ALPHA}` } }),
    'outside_organization',
  ],
  [
    'what everybody may read',
    (a) => a.product.updateMany({ data: { name: 'x' } }),
    'outside_organization',
  ],
  ['a session', (a) => a.session.deleteMany(), 'outside_organization'],
  ['an event', (a) => a.webhookEvent.create({ data: {} }), 'outside_organization'],
]

describe.each(WALLS)('with %s', (walls) => {
  const setup = setUpWalls(walls)

  test.each(CANNOT_WRITE)('promise 6: not written by %s', (_, query, expected) =>
    changesNothing(setup, query, expected),
  )

  test('promise 6: a new row gets the organization’s id, by every way of creating it', async () => {
    const { db, alpha, unharmed, settle } = setup
    const row = { role: 'MADE' }
    const people = [1, 2, 3, 4, 5, 6].map((n) => `new${n}`)
    await db.user.createMany({ data: people.map((id) => ({ id, name: 'new', email: id })) })
    // Only people whom the organization knows can be named by it.
    await db.invitation.createMany({
      data: people.map((id) => ({
        ...invitation,
        id: `by ${id}`,
        inviterId: id,
        organizationId: ALPHA,
      })),
    })
    await settle()
    const made = await alpha.member.create({ data: { id: 'made1', userId: 'new1', ...row } })
    expect(made.organizationId).toBe(ALPHA)
    await alpha.member.createMany({ data: [{ id: 'made2', userId: 'new2', ...row }] })
    const [returned] = await alpha.member.createManyAndReturn({
      data: [{ id: 'made3', userId: 'new3', organizationId: ALPHA, ...row }],
    })
    expect(returned?.organizationId).toBe(ALPHA)
    await alpha.member.upsert({
      where: { id: 'made4' },
      create: { id: 'made4', userId: 'new4', ...row },
      update: {},
    })
    await alpha.organization.update({
      where: { id: ALPHA },
      data: { members: { create: { id: 'made5', userId: 'new5', ...row } } },
    })
    await alpha.organization.update({
      where: { id: ALPHA },
      data: { members: { createMany: { data: [{ id: 'made6', userId: 'new6', ...row }] } } },
    })
    // Relations instead of ids: the stamp is one, too.
    await alpha.invitation.create({
      data: {
        id: 'made7',
        email: 'new@example.com',
        status: 'pending',
        role: 'VIEWER',
        expiresAt: new Date(),
        user: { connect: { id: 'user_alpha' } },
      } as Untyped,
    })
    const ids = (await db.member.findMany({ where: { role: 'MADE', organizationId: ALPHA } })).map(
      ({ id }) => id,
    )
    expect(ids.sort()).toEqual(['made1', 'made2', 'made3', 'made4', 'made5', 'made6'])
    expect(await db.invitation.count({ where: { id: 'made7', organizationId: ALPHA } })).toBe(1)

    expect(await alpha.member.updateMany({ where: { role: 'MADE' }, data: { role: 'X' } })).toEqual(
      { count: 6 },
    )
    expect(
      await alpha.member.updateManyAndReturn({ where: { role: 'X' }, data: { role: 'Y' } }),
    ).toHaveLength(6)
    await alpha.member.update({
      where: { id: 'made1' },
      data: { role: 'Z', organizationId: ALPHA },
    })
    await alpha.member.delete({ where: { id: 'made1' } })
    expect(await alpha.member.deleteMany({ where: { role: 'Y' } })).toEqual({ count: 5 })
    await alpha.invitation.delete({ where: { id: 'made7' } })
    await unharmed(null)
    await db.user.deleteMany({ where: { name: 'new' } })
  })
})
