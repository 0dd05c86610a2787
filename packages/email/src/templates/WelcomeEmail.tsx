/** @jsxRuntime automatic */
/** @jsxImportSource react */

import { z } from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, label, link } from '../define.ts'

/** Sent at sign-up: the address is confirmed through its link. */
export const WelcomeEmail = defineEmail({
  schema: z.object({
    name: label(),
    /** Leads to a page with a button; opening it confirms nothing. */
    verifyUrl: link(),
  }),
  subject: ({ name }) => `Welcome, ${name} – please confirm your address`,
  component: ({ name, verifyUrl }) => (
    <Layout
      title={`Welcome, ${name}`}
      preview="One click, and your account is ready."
      footer="You get this because someone signed up with this address. If it was not you, do nothing: the account stays closed."
    >
      <Paragraph>Please confirm that this address is yours, and your account is ready.</Paragraph>
      <Action href={verifyUrl}>Confirm my address</Action>
    </Layout>
  ),
  preview: { name: 'Ada', verifyUrl: 'https://example.com/verify-email?token=sample' },
})
