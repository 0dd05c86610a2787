/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'
import { hello, words } from '../words.ts'

/** Sent when somebody signs up with an address that already has an account, or wants it as a new address. */
export const AccountExistsEmail = defineEmail({
  schema: z.object({
    /** The name of the existing account. */
    name: words(),
    /** The page to sign in. */
    signInUrl: link(),
    /** The page to ask for a new password. */
    resetUrl: link(),
  }),
  subject: () => 'You already have an account',
  component: ({ name, signInUrl, resetUrl }) => (
    <Layout
      title="You already have an account"
      preview="Somebody wants to use your address."
      footer="If it was not you, do nothing: your account and your password stay as they are."
    >
      <Paragraph>
        {hello(name)} somebody just wanted to use this address for an account. It has one already.
      </Paragraph>
      <Action href={signInUrl}>Sign in</Action>
      <Paragraph>Forgot your password? Choose a new one: {resetUrl}</Paragraph>
    </Layout>
  ),
  preview: {
    name: 'Ada',
    signInUrl: 'https://example.com/sign-in',
    resetUrl: 'https://example.com/forgot-password',
  },
})
