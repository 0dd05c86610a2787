/** Organizations: three roles over Better Auth's own permissions. */

import { createAccessControl } from 'better-auth/plugins/access'
import { organization } from 'better-auth/plugins/organization'
import { adminAc, defaultStatements, ownerAc } from 'better-auth/plugins/organization/access'

const access = createAccessControl(defaultStatements)

const roles = {
  OWNER: access.newRole(ownerAc.statements),
  ADMIN: access.newRole(adminAc.statements),
  USER: access.newRole({}),
}

export interface Invitation {
  id: string
  email: string
  role: string
  organizationName: string
  inviterName: string
  expiresAt: Date
}

/** The organization plugin; `invite` is told of each invitation. */
export function organizations(invite: (invitation: Invitation) => void) {
  return organization({
    ac: access,
    roles,
    creatorRole: 'OWNER',
    requireEmailVerificationOnInvitation: true,
    async sendInvitationEmail({ id, email, role, organization, inviter, invitation }) {
      invite({
        id,
        email,
        role,
        organizationName: organization.name,
        inviterName: inviter.user.name,
        expiresAt: new Date(invitation.expiresAt),
      })
    },
  })
}
