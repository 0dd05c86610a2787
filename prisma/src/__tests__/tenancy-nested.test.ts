/** Promise 6, writing through relations: nested writes reach the organization's own rows only. */

import { describe, expect, test } from 'vitest'
import { OPERATIONS } from '../tenancy/operations.ts'
import { ALPHA, BETA } from './two-organizations.ts'
import { type Attack, changesNothing, setUpWalls, type Untyped, WALLS } from './walls.ts'

const member = { id: 'x', userId: 'user_both', role: 'X' }

const CANNOT_WRITE: Attack[] = [
  ...(
    [
      ['connect', { connect: { id: 'member_BETA_BETA' } }, 'P2018'],
      [
        'connect by a compound key',
        { connect: [{ organizationId_userId: { organizationId: BETA, userId: 'user_BETA' } }] },
        'P2018',
      ],
      [
        'connectOrCreate',
        {
          connectOrCreate: {
            where: { id: 'member_BETA_BETA' },
            create: { ...member, id: 'member_BETA_BETA' },
          },
        },
        'P2002',
      ],
      ['set', { set: [{ id: 'member_BETA_BETA' }] }, 'unscoped_query'],
      ['create', { create: { ...member, organizationId: BETA } }, 'foreign_organization'],
      [
        'createMany',
        { createMany: { data: [{ ...member, organizationId: BETA }] } },
        'foreign_organization',
      ],
      ['update', { update: { where: { id: 'member_BETA_BETA' }, data: { role: 'X' } } }, 'P2025'],
      [
        'updateMany',
        { updateMany: { where: { role: 'BETA' }, data: { organizationId: BETA } } },
        'foreign_organization',
      ],
      ['delete', { delete: { id: 'member_BETA_BETA' } }, 'P2017'],
      [
        'upsert',
        {
          upsert: {
            where: { id: 'member_BETA_BETA' },
            create: { ...member, id: 'member_BETA_BETA' },
            update: { role: 'X' },
          },
        },
        'P2002',
      ],
      ['an operation nobody knows', { steal: true }, 'unscoped_query'],
    ] as const
  ).map(
    ([name, members, expected]) =>
      [
        `nested ${name}`,
        (a: Untyped) => a.organization.update({ where: { id: ALPHA }, data: { members } }),
        expected,
      ] as Attack,
  ),
  [
    'nested updateMany where null',
    (a) =>
      a.organization.update({
        where: { id: ALPHA },
        data: { members: { updateMany: { where: null, data: { role: 'X' } } } },
      }),
    expect.stringMatching('validation|Invalid'),
  ],
  [
    'nested deleteMany',
    (a) =>
      a.organization
        .update({ where: { id: ALPHA }, data: { members: { deleteMany: { role: 'BETA' } } } })
        .then(() => null),
    null,
  ],
  [
    'a connect to a person of another organization',
    (a) =>
      a.invitation.create({
        data: {
          id: 'x',
          email: 'x',
          status: 'pending',
          role: 'X',
          expiresAt: new Date(),
          user: { connect: { email: 'user_BETA@example.com' } },
        },
      }),
    'P2025',
  ],
  [
    'nested update of a person',
    (a) =>
      a.member.update({
        where: { id: 'member_alpha_both' },
        data: { user: { update: { role: 'ADMIN' } } },
      }),
    'outside_organization',
  ],
  [
    'nested delete of a person',
    (a) =>
      a.member.update({ where: { id: 'member_alpha_both' }, data: { user: { delete: true } } }),
    'outside_organization',
  ],
  [
    'nested create of a person',
    (a) =>
      a.member.create({
        data: { id: 'x', role: 'X', user: { create: { id: 'x', name: 'x', email: 'x' } } },
      }),
    'outside_organization',
  ],
]

test('promise 6: nested filters name the organization, even if the relation already implies it', () => {
  const { update } = OPERATIONS
  const nested = (members: object) =>
    update?.('Organization', { where: { id: ALPHA }, data: { members } }, ALPHA).data
  const mine = { organizationId: ALPHA }
  expect(nested({ deleteMany: {} })).toEqual({ members: { deleteMany: mine } })
  expect(nested({ deleteMany: [{ role: 'X' }] })).toEqual({
    members: { deleteMany: [{ AND: [{ role: 'X' }, mine] }] },
  })
  expect(nested({ updateMany: { where: {}, data: { role: 'X' } } })).toEqual({
    members: { updateMany: { where: mine, data: { role: 'X' } } },
  })
  expect(nested({ disconnect: { id: 'x' } })).toEqual({
    members: { disconnect: { id: 'x', AND: [mine] } },
  })
})

describe.each(WALLS)('with %s', (walls) => {
  const setup = setUpWalls(walls)

  test.each(CANNOT_WRITE)('promise 6: not written by %s', (_, query, expected) =>
    changesNothing(setup, query, expected),
  )
})
