/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'

/**
 * Sent at sign-up, with the link that confirms the address. Until then the address may belong to somebody
 * else, so the mail repeats nothing that was typed at sign-up.
 */
export const WelcomeEmail = defineEmail({
  schema: z.object({
    /** Accepted and not shown. */
    name: z.string().optional(),
    /** A page with a button; opening the page confirms nothing. */
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
