/** Promise 6, foreign keys: what an organization refers to is what it sees, however the key is written. */

import { describe, expect, test } from 'vitest'
import { referencesAreHeld, referencesAreHeldInSql } from './references-are-held.ts'
import { ALPHA, BETA } from './two-organizations.ts'
import { outcome, setUpWalls, type Untyped, WALLS } from './walls.ts'

describe.each(WALLS)('with %s', (walls) => {
  const setup = setUpWalls(walls)

  referencesAreHeld(setup)

  test('promise 6: an invitation from a stranger does not show its sender', async () => {
    const { alpha } = setup
    const invitation = { id: 'x', email: 'x', status: 'pending', role: 'X', expiresAt: new Date() }
    const before = await alpha.user.findMany({ orderBy: { id: 'asc' } })
    const create = alpha.invitation.create({ data: { ...invitation, inviterId: 'user_BETA' } })
    await expect(create).rejects.toMatchObject({ code: 'foreign_organization', status: 403 })
    expect(await alpha.user.findMany({ orderBy: { id: 'asc' } })).toEqual(before)
  })

  test.each([
    ['a number that is counted on', { increment: 1 }],
    ['nothing under set', { set: undefined }],
    ['a filter', { not: '' }],
    ['a filter under set', { set: { not: '' } }],
    ['a column of the row', { _ref: 'id', _container: 'Invitation' }],
  ])('promise 6: a foreign key cannot be %s', async (_, inviterId) => {
    const where = { id: 'invitation_alpha' }
    const update = () => setup.alpha.invitation.update({ where, data: { inviterId } as Untyped })
    expect(await outcome(update)).toBe('unscoped_query')
  })

  test('a user whom the organization sees can become a member', async () => {
    const { db, alpha } = setup
    const where = { id: 'invitation_alpha' }
    await alpha.invitation.update({ where, data: { inviterId: 'user_both' } })
    await alpha.invitation.update({ where, data: { user: { connect: { id: 'user_alpha' } } } })
    await alpha.invitation.updateMany({ where, data: { inviterId: { set: 'user_both' } } })
    expect(await db.invitation.findUnique({ where })).toMatchObject({ inviterId: 'user_both' })
    await db.invitation.update({ where, data: { inviterId: 'user_alpha' } })
    expect(await db.member.count({ where: { organizationId: { in: [ALPHA, BETA] } } })).toBe(4)
  })
})

describe('with the database alone', () => {
  referencesAreHeldInSql(setUpWalls('both walls'))
})
