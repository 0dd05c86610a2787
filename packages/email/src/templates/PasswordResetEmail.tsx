/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'
import { hello, words } from '../words.ts'

/** Sent when somebody asks for a new password. */
export const PasswordResetEmail = defineEmail({
  schema: z.object({
    /** Left out until the address is proven, because somebody else may have typed the name. */
    name: words().optional(),
    /** The page on which a new password is set. */
    resetUrl: link(),
    /** How long the link works. */
    expiresInMinutes: z.int().min(1),
  }),
  subject: () => 'Reset your password',
  component: ({ name, resetUrl, expiresInMinutes }) => (
    <Layout
      title="Reset your password"
      preview="Choose a new password."
      footer="If you did not ask for this, do nothing: your password stays as it is."
    >
      <Paragraph>{hello(name)} choose a new password with the link below.</Paragraph>
      <Action href={resetUrl}>Choose a new password</Action>
      <Paragraph>
        The link works once, for {expiresInMinutes} minutes. Every device will be signed out.
      </Paragraph>
    </Layout>
  ),
  preview: {
    name: 'Ada',
    resetUrl: 'https://example.com/reset-password?token=sample',
    expiresInMinutes: 60,
  },
})
