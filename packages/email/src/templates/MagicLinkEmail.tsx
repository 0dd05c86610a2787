/** @jsxRuntime automatic */
/** @jsxImportSource react */

import { z } from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'

/** Says the same to people who are known and to people who are new. */
export const MagicLinkEmail = defineEmail({
  schema: z.object({
    /** Leads to a page with a button; opening it signs nobody in. */
    signInUrl: link(),
    expiresInMinutes: z.int().min(1),
  }),
  subject: () => 'Your link to sign in',
  component: ({ signInUrl, expiresInMinutes }) => (
    <Layout
      title="Sign in"
      preview="One click, and you are in."
      footer="If you did not ask for this, do nothing: without the link nobody gets in."
    >
      <Paragraph>Sign in with the link below. You need no password.</Paragraph>
      <Action href={signInUrl}>Sign in</Action>
      <Paragraph>The link works once, for {expiresInMinutes} minutes.</Paragraph>
    </Layout>
  ),
  preview: { signInUrl: 'https://example.com/magic-link?token=sample', expiresInMinutes: 10 },
})
