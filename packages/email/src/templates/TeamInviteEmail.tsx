/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, label, link } from '../define.ts'
import { day } from '../format.ts'
import { words } from '../words.ts'

interface Names {
  inviterName: string | null
  organizationName: string | null
}

const inviter = ({ inviterName }: Names) => inviterName ?? 'A member'
const organization = ({ organizationName }: Names) => organizationName ?? 'an organization'

/**
 * Sent to an unproven address. It names the inviting member and the organization only if their names are safe
 * to show.
 */
export const TeamInviteEmail = defineEmail({
  schema: z.object({
    /** The name of the member who invites. */
    inviterName: words(),
    /** The organization's name. */
    organizationName: words(),
    /** The role that the invitation gives, as people read it. */
    role: label(),
    /** The page with the button that accepts. */
    acceptUrl: link(),
    /** When the invitation expires. Absent: the mail does not say. */
    expiresAt: z.coerce.date().optional(),
  }),
  subject: (props) => `${inviter(props)} invites you to ${organization(props)}`,
  component: ({ role, acceptUrl, expiresAt, ...names }) => (
    <Layout
      title={`Join ${organization(names)}`}
      preview={`${inviter(names)} invites you as ${role}.`}
      footer="If you do not know the sender, do nothing: you join only by accepting."
    >
      <Paragraph>
        {inviter(names)} invites you to {organization(names)} as {role}.
      </Paragraph>
      <Action href={acceptUrl}>Accept the invitation</Action>
      {expiresAt && <Paragraph>The invitation ends on {day(expiresAt)}.</Paragraph>}
    </Layout>
  ),
  preview: {
    inviterName: 'Ada',
    organizationName: 'Acme',
    role: 'ADMIN',
    acceptUrl: 'https://example.com/accept-invitation?id=sample',
  },
})
