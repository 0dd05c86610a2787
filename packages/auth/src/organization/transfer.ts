/** Transfers ownership: the new owner and the old one change roles together, or neither does. */

import { APIError, createAuthEndpoint, sensitiveSessionMiddleware } from 'better-auth/api'
import * as z from 'zod'
import { currentTransaction } from '../database/transaction.ts'
import { actIn } from './act.ts'

/** The role of the former owner. */
const FORMER_OWNER = 'ADMIN'

/**
 * `POST /organization/transfer-ownership`, for an owner, with the `memberId` of the new owner. The
 * organization is `organizationId`, or the active one. Answers `{ member, formerOwner }`.
 */
export const transferOwnership = () =>
  createAuthEndpoint(
    '/organization/transfer-ownership',
    {
      method: 'POST',
      requireHeaders: true,
      use: [sensitiveSessionMiddleware],
      body: z.object({
        memberId: z.string().min(1).max(256),
        organizationId: z.string().max(256).optional(),
      }),
    },
    async (ctx) => {
      const tx = currentTransaction()
      const act = tx && actIn(tx)
      if (!act?.organizationId || !act.actor) {
        throw new APIError('BAD_REQUEST', {
          code: 'NO_ACTIVE_ORGANIZATION',
          message: 'Send an organizationId, or switch to the organization first.',
        })
      }
      const { organizationId, actor, role } = act
      if (role !== 'OWNER') {
        throw new APIError('FORBIDDEN', {
          code: 'owner_required',
          message: 'Only an owner can transfer the ownership of an organization.',
        })
      }
      const target = await act.tx.member.findUnique({ where: { id: ctx.body.memberId } })
      if (target?.organizationId !== organizationId || target.userId === actor.userId) {
        throw new APIError('BAD_REQUEST', {
          code: 'member_not_found',
          message: 'The new owner must be another member of the organization.',
        })
      }
      const member = await act.tx.member.update({
        where: { id: target.id },
        data: { role: 'OWNER' },
      })
      const formerOwner = await act.tx.member.update({
        where: { organizationId_userId: { organizationId, userId: actor.userId } },
        data: { role: FORMER_OWNER },
      })
      return ctx.json({ member, formerOwner })
    },
  )
