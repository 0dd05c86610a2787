/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'

/** The text is the same for existing and new users. */
export const MagicLinkEmail = defineEmail({
  schema: z.object({
    /** A page with a button; opening the page signs nobody in. */
    signInUrl: link(),
    /** How long the link works. */
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
