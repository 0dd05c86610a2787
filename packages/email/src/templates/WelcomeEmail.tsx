/** @jsxRuntime automatic */
/** @jsxImportSource react */

import { z } from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'

/**
 * Sent at sign-up: the address is confirmed through its link. Until then it may be anybody's, so the mail says
 * nothing that was typed at sign-up.
 */
export const WelcomeEmail = defineEmail({
  schema: z.object({
    /** Taken and not shown. */
    name: z.string().optional(),
    /** Leads to a page with a button; opening it confirms nothing. */
    verifyUrl: link(),
  }),
  subject: () => 'Please confirm your address',
  component: ({ verifyUrl }) => (
    <Layout
      title="Please confirm your address"
      preview="One click, and your account is ready."
      footer="You get this because someone signed up with this address. If it was not you, do nothing: the account stays closed."
    >
      <Paragraph>Welcome! Confirm that this address is yours, and your account is ready.</Paragraph>
      <Action href={verifyUrl}>Confirm my address</Action>
    </Layout>
  ),
  preview: { verifyUrl: 'https://example.com/verify-email?token=sample' },
})
