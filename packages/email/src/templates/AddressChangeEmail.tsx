/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'
import { hello, words } from '../words.ts'

const WORDS = {
  requested: {
    title: 'Another address was requested for your account',
    preview: 'Somebody who is signed in asked for it.',
    text: 'somebody who is signed in to your account asked for another e-mail address. The account gets it once that address is confirmed.',
  },
  done: {
    title: 'Your account has another address',
    preview: 'This address no longer belongs to your account.',
    text: 'your account has another e-mail address now. Mails of the account no longer come here, and this address no longer signs in.',
  },
  undone: {
    title: 'The change of your address was taken back',
    preview: 'This address no longer belongs to the account.',
    text: 'the owner of the former address has taken the change back. The account has its former address again, and all of its sessions have ended.',
  },
}

/**
 * Informs the old address about a change of address: when it is requested, and when it is done. Informs the
 * new address if the change was undone.
 */
export const AddressChangeEmail = defineEmail({
  schema: z.object({
    /** The recipient's name. */
    name: words(),
    /** How far the change is: asked for, made, or taken back. */
    stage: z.enum(['requested', 'done', 'undone']),
    /** A page with a button that undoes the change. Absent if the change cannot be undone. */
    undoUrl: link().optional(),
    /** How many days the link works. */
    expiresInDays: z.int().min(1).optional(),
  }),
  subject: ({ stage }) => WORDS[stage].title,
  component: ({ name, stage, undoUrl, expiresInDays }) => (
    <Layout
      title={WORDS[stage].title}
      preview={WORDS[stage].preview}
      footer="If you asked for the change, you need to do nothing."
    >
      <Paragraph>
        {hello(name)} {WORDS[stage].text}
      </Paragraph>
      {undoUrl && (
        <>
          <Paragraph>
            Was it not you? The link below{' '}
            {stage === 'requested' ? 'stops the change' : 'gives the account this address back'},
            ends all of its sessions, and removes every way to sign in that is new. You then choose
            a new password.
          </Paragraph>
          <Action href={undoUrl}>It was not me</Action>
          {expiresInDays && (
            <Paragraph>
              The link works once, for {expiresInDays} {expiresInDays === 1 ? 'day' : 'days'}.
            </Paragraph>
          )}
        </>
      )}
    </Layout>
  ),
  preview: {
    name: 'Ada',
    stage: 'done',
    undoUrl: 'https://example.com/undo-email-change?token=sample',
    expiresInDays: 7,
  },
})
