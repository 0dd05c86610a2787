/** @jsxRuntime automatic */
/** @jsxImportSource react */

import { z } from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, label, link } from '../define.ts'
import { day } from '../format.ts'

export const TeamInviteEmail = defineEmail({
  schema: z.object({
    inviterName: label(),
    organizationName: label(),
    role: label(),
    acceptUrl: link(),
    expiresAt: z.coerce.date().optional(),
  }),
  subject: ({ inviterName, organizationName }) =>
    `${inviterName} invites you to ${organizationName}`,
  component: ({ inviterName, organizationName, role, acceptUrl, expiresAt }) => (
    <Layout
      title={`Join ${organizationName}`}
      preview={`${inviterName} invites you as ${role}.`}
      footer="If you do not know the sender, do nothing: you join only by accepting."
    >
      <Paragraph>
        {inviterName} invites you to {organizationName} as {role}.
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
