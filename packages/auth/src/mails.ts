/**
 * The mails of auth, as a job: a request queues one and never waits for it, so that neither its time nor
 * its answer tells who is known here. Who is, is looked up when the job runs, and links are made then.
 *
 * A queued job holds no link and no address that can be read: the address is encrypted with the auth
 * secret. Replacing the secret loses the mails that wait, and people ask for them again.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { isTollgateError, type JobDefinition } from '@repo/core'
import type { Database, Db } from '@repo/db'
import type { sendEmail } from '@repo/email'
import { enqueue } from '@repo/jobs'
import type { AuthContext } from 'better-auth'
import { createEmailVerificationToken } from 'better-auth/api'
import { generateRandomString, symmetricDecrypt, symmetricEncrypt } from 'better-auth/crypto'
import { z } from 'zod'
import { audit } from './audit.ts'
import { CONFIRMATION_SECONDS, issueConfirmation } from './confirmation.ts'
import { JOBS } from './jobs.ts'
import type { Pages } from './options.ts'

/** A reset link is good for so long. */
export const RESET_MINUTES = 60

const [MAIL] = JOBS

const mail = z.discriminatedUnion('mail', [
  z.object({ key: z.string(), mail: z.enum(['confirm', 'reset', 'known']), to: z.string() }),
  z.object({ key: z.string(), mail: z.literal('invite'), invitationId: z.string() }),
])
type Mail = z.output<typeof mail>

/** What is asked for: `known` tells the owner of an account that somebody signed up with their address. */
export type MailRequest =
  | { mail: 'confirm' | 'reset' | 'known'; to: string }
  | { mail: 'invite'; invitationId: string }

export interface MailOptions {
  db: Database
  secret: string
  sender: { sendEmail: typeof sendEmail }
  pages: Pages
  baseURL: string
  /** Better Auth's own side, which exists only after the mails do. */
  context(): Promise<Pick<AuthContext, 'internalAdapter'>>
}

export interface Mails {
  /** Queues a mail, whether or not there is anybody to get it; in the transaction `tx` if there is one. */
  request(request: MailRequest, tx?: Pick<Db, '$queryRaw'>): Promise<void>
  /** Of the job `auth.mail`. */
  work: Pick<JobDefinition<object>, 'parse' | 'run'>
}

export function createMails(options: MailOptions): Mails {
  const { db, secret: key, sender, pages, baseURL, context } = options

  const link = (path: string, query: Record<string, string> = {}) => {
    const url = new URL(path, baseURL)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url.href
  }

  async function deliver(request: Mail): Promise<void> {
    const { key: idempotencyKey } = request
    if (request.mail === 'invite') return invite(request.invitationId, idempotencyKey)
    const to = await symmetricDecrypt({ key, data: request.to })
    const user = await db.user.findUnique({ where: { email: to } })
    if (!user) return
    const { name, email } = user
    const { internalAdapter } = await context()
    if (request.mail === 'known') {
      const urls = { signInUrl: link(pages.signIn), resetUrl: link(pages.forgotPassword) }
      if (!user.emailVerified) return
      await sender.sendEmail('AccountExistsEmail', email, { name, ...urls }, { idempotencyKey })
    } else if (request.mail === 'confirm') {
      if (user.emailVerified) return
      const jwt = await createEmailVerificationToken(key, email, undefined, CONFIRMATION_SECONDS)
      const token = await issueConfirmation({ internalAdapter }, jwt)
      const verifyUrl = link(pages.verifyEmail, { token })
      await sender.sendEmail('WelcomeEmail', email, { name, verifyUrl }, { idempotencyKey })
    } else {
      const token = generateRandomString(32)
      await internalAdapter.createVerificationValue({
        identifier: `reset-password:${token}`,
        value: user.id,
        expiresAt: new Date(Date.now() + RESET_MINUTES * 60_000),
      })
      const props = {
        name,
        resetUrl: link(pages.resetPassword, { token }),
        expiresInMinutes: RESET_MINUTES,
      }
      await sender.sendEmail('PasswordResetEmail', email, props, { idempotencyKey })
      await audit(db, { action: 'password_reset_requested', userId: user.id })
    }
  }

  async function invite(id: string, idempotencyKey: string): Promise<void> {
    const invitation = await db.invitation.findUnique({
      where: { id },
      include: { organization: true, user: true },
    })
    if (invitation?.status !== 'pending') return
    const { email, role, expiresAt, organization, user } = invitation
    const props = {
      inviterName: user.name,
      organizationName: organization.name,
      role: role ?? '',
      acceptUrl: link(pages.acceptInvitation, { id }),
      expiresAt,
    }
    await sender.sendEmail('TeamInviteEmail', email, props, { idempotencyKey })
  }

  const work: Pick<JobDefinition<object>, 'parse' | 'run'> = {
    parse: (payload) => mail.parse(payload),
    async run(payload) {
      try {
        await deliver(payload as Mail)
      } catch (error) {
        // An earlier try has sent this mail, with a link of its own that is good.
        if (!isTollgateError(error, 'idempotency_conflict')) throw error
      }
    },
  }

  return {
    work,
    async request(request, tx = db) {
      const named = { key: `auth/${randomUUID()}` }
      const payload =
        request.mail === 'invite'
          ? { ...named, ...request }
          : {
              ...named,
              ...request,
              to: await symmetricEncrypt({ key, data: request.to.toLowerCase() }),
            }
      await enqueue<object>(tx, { ...MAIL, ...work }, payload)
    },
  }
}
