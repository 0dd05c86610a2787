/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'
import { day } from '../format.ts'
import { hello, words } from '../words.ts'

const TITLES = {
  requested: 'Your account will be deleted',
  blocked: 'Your account could not be deleted',
  canceled: 'Your account will not be deleted',
  done: 'Your account is deleted',
}

/** Informs about a deletion of the account: requested, blocked, cancelled or done. */
export const AccountDeletionEmail = defineEmail({
  schema: z.object({
    /** The recipient's name. */
    name: words(),
    /** `blocked`: the user is the only owner of an organization, which has to be handed over or deleted first. */
    stage: z.enum(['requested', 'blocked', 'canceled', 'done']),
    /** The day of the deletion. Absent if no deletion is pending. */
    dueAt: z.coerce.date().optional(),
    /** The page to cancel the deletion or to hand over an organization. Absent once the account is deleted. */
    signInUrl: link().optional(),
  }),
  subject: ({ stage }) => TITLES[stage],
  component: ({ name, stage, dueAt, signInUrl }) => (
    <Layout
      title={TITLES[stage]}
      preview={TITLES[stage]}
      footer="You get this because of a request to delete your account."
    >
      {stage === 'requested' && (
        <>
          <Paragraph>
            {hello(name)} your account and what belongs to it will be deleted
            {dueAt ? ` on ${day(dueAt)}` : ''}. All of your sessions have ended.
          </Paragraph>
          <Paragraph>
            Do you want to keep it, or was it not you? Sign in before that day and cancel the
            deletion.
          </Paragraph>
        </>
      )}
      {stage === 'blocked' && (
        <Paragraph>
          {hello(name)} you are the only owner of an organization. Hand it over or delete it, and
          your account is deleted within the hour. Or cancel the deletion.
        </Paragraph>
      )}
      {stage === 'canceled' && (
        <Paragraph>
          {hello(name)} the deletion of your account was cancelled, and everything stays as it is.
          Was it not you? Sign in and end the sessions you do not know.
        </Paragraph>
      )}
      {stage === 'done' && (
        <Paragraph>
          {hello(name)} your account is deleted, as you asked. This is the last mail about it.
        </Paragraph>
      )}
      {signInUrl && <Action href={signInUrl}>Sign in</Action>}
    </Layout>
  ),
  preview: {
    name: 'Ada',
    stage: 'requested',
    dueAt: '2026-03-01T00:00:00Z',
    signInUrl: 'https://example.com/sign-in',
  },
})
