/**
 * The mails of auth, as a job: a request queues one and never waits for it, so that neither its time nor
 * its answer tells who is known here. Who is, is looked up when the job runs, and links are made then.
 *
 * A queued job holds no link and nothing about a person that can be read: it is encrypted with a key of the auth
 * secret. Replacing the secret loses the mails that wait, and people ask for them again.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { isTollgateError, type JobDefinition } from '@repo/core'
import type { Database, Db, User } from '@repo/db'
import type { sendEmail } from '@repo/email'
import { enqueue } from '@repo/jobs'
import type { AuthContext } from 'better-auth'
import { createEmailVerificationToken } from 'better-auth/api'
import { generateRandomString, symmetricDecrypt, symmetricEncrypt } from 'better-auth/crypto'
import { z } from 'zod'
import { type AccountMail, deliverAccountMail } from './account/mails.ts'
import { audit } from './audit.ts'
import { CONFIRMATION_SECONDS, issueConfirmation } from './confirmation.ts'
import { JOBS } from './jobs.ts'
import type { Keys } from './keys.ts'
import type { PendingSignUp } from './linking.ts'
import { linkIdentifier, linkRecord, MAGIC_LINK_MINUTES } from './magic-link.ts'
import type { Pages } from './options.ts'

/** A reset link is good for so long. */
export const RESET_MINUTES = 60

const [MAIL] = JOBS

const mail = z.discriminatedUnion('mail', [
  z.object({
    key: z.string(),
    mail: z.enum(['confirm', 'reset', 'known', 'claim', 'link', 'account']),
    sealed: z.string(),
  }),
  z.object({ key: z.string(), mail: z.literal('invite'), invitationId: z.string() }),
])
type Mail = z.output<typeof mail>

/**
 * What is asked for. `known` tells the owner of an account that somebody signed up with their address;
 * `claim` lets somebody confirm an address that another has signed up with and never confirmed; `link` is
 * a magic link that leads on to the path `next`; `account` is about an account that is there.
 */
export type MailRequest =
  | Addressed
  | { mail: 'account'; account: AccountMail }
  | { mail: 'invite'; invitationId: string }

type Addressed = ToUser | { mail: 'link'; to: string; name?: string; next?: string }
type ToUser =
  | { mail: 'confirm' | 'reset' | 'known'; to: string }
  | { mail: 'claim'; to: string; claim: PendingSignUp }

export interface MailOptions {
  db: Database
  keys: Keys
  sender: { sendEmail: typeof sendEmail }
  pages: Pages
  baseURL: string
  /** For how long a change of address can be taken back. */
  undoDays: number
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
  const { db, keys, sender, pages, baseURL, undoDays, context } = options

  const link = (path: string, query: Record<string, string> = {}) => {
    const url = new URL(path, baseURL)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url.href
  }

  const seal = (request: Addressed | AccountMail): Promise<string> =>
    symmetricEncrypt({ key: keys.mail, data: JSON.stringify(request) })

  async function deliver(queued: Mail): Promise<void> {
    const { key: idempotencyKey } = queued
    if (queued.mail === 'invite') return invite(queued.invitationId, idempotencyKey)
    const opened = JSON.parse(await symmetricDecrypt({ key: keys.mail, data: queued.sealed }))
    if (queued.mail === 'account') {
      const parts = { db, sender, pages, undoDays, link, issue }
      return deliverAccountMail(parts, opened as AccountMail, idempotencyKey)
    }
    const request = opened as Addressed
    if (request.mail === 'link') return sendLink(request, idempotencyKey)
    const user = await db.user.findUnique({ where: { email: request.to } })
    if (user) await sendTo(user, request, idempotencyKey)
  }

  async function sendTo(
    { id, name, email, emailVerified }: User,
    request: ToUser,
    idempotencyKey: string,
  ): Promise<void> {
    const { internalAdapter } = await context()
    if (request.mail === 'known') {
      const urls = { signInUrl: link(pages.signIn), resetUrl: link(pages.forgotPassword) }
      if (!emailVerified) return
      await sender.sendEmail('AccountExistsEmail', email, { name, ...urls }, { idempotencyKey })
    } else if (request.mail === 'reset') {
      const token = await issue(RESET_MINUTES, (token) => `reset-password:${token}`, id)
      const resetUrl = link(pages.resetPassword, { token })
      const props = { name, resetUrl, expiresInMinutes: RESET_MINUTES }
      await sender.sendEmail('PasswordResetEmail', email, props, { idempotencyKey })
      await audit(db, { action: 'password_reset_requested', userId: id })
    } else if (!emailVerified) {
      const signUp = request.mail === 'claim' ? request.claim : await signUpOf(id, name)
      const value = signUp
        ? JSON.stringify(signUp)
        : await createEmailVerificationToken(
            keys.betterAuth,
            email,
            undefined,
            CONFIRMATION_SECONDS,
          )
      const token = await issueConfirmation({ internalAdapter }, value)
      const props = { name: signUp?.name ?? name, verifyUrl: link(pages.verifyEmail, { token }) }
      await sender.sendEmail('WelcomeEmail', email, props, { idempotencyKey })
    }
  }

  /** The sign-up that made the user; null for one by a provider, or once another has contested it. */
  async function signUpOf(userId: string, name: string): Promise<PendingSignUp | null> {
    const where = { userId, providerId: 'credential' }
    const password = (await db.account.findFirst({ where }))?.password
    return password ? { userId, name, password } : null
  }

  async function sendLink(
    { to, name, next }: Extract<Addressed, { mail: 'link' }>,
    idempotencyKey: string,
  ): Promise<void> {
    const token = await issue(MAGIC_LINK_MINUTES, linkIdentifier, linkRecord(to, name))
    const signInUrl = link(pages.magicLink, { token, ...(next ? { next } : {}) })
    const props = { signInUrl, expiresInMinutes: MAGIC_LINK_MINUTES }
    await sender.sendEmail('MagicLinkEmail', to, props, { idempotencyKey })
  }

  /** A token good once, as Better Auth's own endpoints look for it. */
  async function issue(minutes: number, identifierOf: (token: string) => string, value: string) {
    const token = generateRandomString(32)
    await (await context()).internalAdapter.createVerificationValue({
      identifier: identifierOf(token),
      value,
      expiresAt: new Date(Date.now() + minutes * 60_000),
    })
    return token
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
      const named = { key: `auth/${randomUUID()}`, mail: request.mail }
      const payload =
        request.mail === 'invite'
          ? { ...named, invitationId: request.invitationId }
          : { ...named, sealed: await seal(sealedPart(request)) }
      await enqueue<object>(tx, { ...MAIL, ...work }, payload)
    },
  }
}

const sealedPart = (request: Exclude<MailRequest, { mail: 'invite' }>) =>
  request.mail === 'account' ? request.account : { ...request, to: request.to.toLowerCase() }
