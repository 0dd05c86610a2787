/**
 * Sends the mails of auth in a job. A request only queues the mail, so neither its time nor its answer
 * reveals whether an account exists. The job looks up the user and makes the link.
 *
 * A queued job holds no link, and its personal data is encrypted with a key derived from the auth secret.
 * Replacing the secret loses the mails in the queue, and people have to ask for them again.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { isTollgateError, type JobDefinition } from '@repo/core'
import type { Database, User } from '@repo/db'
import type { sendEmail } from '@repo/email'
import { enqueue } from '@repo/jobs/queue'
import type { AuthContext } from 'better-auth'
import { generateRandomString, symmetricDecrypt, symmetricEncrypt } from 'better-auth/crypto'
import type { AccountMail } from '../account/mail-kinds.ts'
import { deliverAccountMail } from '../account/mails.ts'
import { type MailRecipient, type OwnFields, recipientOf } from '../account/user-fields.ts'
import { audit } from '../audit/audit.ts'
import type { Keys } from '../database/keys.ts'
import { JOBS } from '../job-names.ts'
import type { Pages } from '../options.ts'
import { issueConfirmation } from '../sign-in/confirmation.ts'
import { linkIdentifier, linkRecord, MAGIC_LINK_MINUTES } from '../sign-in/magic-link.ts'
import { issueReset, RESET_MINUTES } from '../sign-in/resets.ts'
import { findSignUp, keepSignUp } from '../sign-in/sign-ups.ts'
import type { MailLimits } from './mail-limits.ts'
import { type Mail, mail } from './mail-payload.ts'
import type { Addressed, MailRequest, Mails, ToUser } from './mail-requests.ts'

const [MAIL] = JOBS

/** The dependencies of `createMails`. */
export interface MailOptions {
  db: Database
  own: OwnFields
  keys: Keys
  sender: { sendEmail: typeof sendEmail }
  pages: Pages
  baseURL: string
  /** Null: mails are not limited. */
  limits: MailLimits | null
  /** For how many days a change of address can be undone. */
  undoDays: number
  /** Better Auth's context, which exists only after the mails do. */
  context(): Promise<Pick<AuthContext, 'internalAdapter' | 'options'>>
}

/** Makes the queue of mails, and the work of its job. */
export function createMails(options: MailOptions): Mails {
  const { db, own, keys, sender, pages, baseURL, undoDays, limits, context } = options

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
      const parts = { db, own, sender, pages, undoDays, link, issue }
      return deliverAccountMail(parts, opened as AccountMail, idempotencyKey)
    }
    const request = opened as Addressed
    if (request.mail === 'link') return sendLink(request, idempotencyKey)
    const user = await db.user.findUnique({ where: { email: request.to } })
    if (user) await sendTo(user, request, idempotencyKey)
  }

  async function sendTo(user: User, request: ToUser, idempotencyKey: string): Promise<void> {
    const { id, name, email, emailVerified } = user
    const rows = await context()
    const options = { idempotencyKey, ...recipientOf(own, user) }
    if (request.mail === 'reset') {
      const token = await issueReset(db, rows, { id, email })
      if (token === null) return
      const props = {
        // The name is left out for an unproven address, because a stranger may have chosen it.
        ...(emailVerified ? { name } : {}),
        resetUrl: link(pages.resetPassword, { token }),
        expiresInMinutes: RESET_MINUTES,
      }
      await sender.sendEmail('PasswordResetEmail', email, props, options)
      await audit(db, { action: 'password_reset_requested', userId: id })
    } else if (!emailVerified) {
      if (request.mail === 'sign-up') {
        await keepSignUp(rows, request.id, { ...request.signUp, userId: id })
      }
      // The browser that asks for another link may have signed up with another address.
      const isFor = await findSignUp(rows, request.id, id)
      const signUpId = isFor ? request.id : undefined
      // Several people may sign up with one address, and each gets the mail in the own language.
      const { locale } = isFor?.fields ? own.read(isFor.fields) : user
      const token = await issueConfirmation(rows, { userId: id, ...(signUpId ? { signUpId } : {}) })
      const props = { verifyUrl: link(pages.verifyEmail, { token }) }
      await sender.sendEmail('WelcomeEmail', email, props, {
        ...options,
        locale: locale as string | null,
      })
    } else if (request.mail === 'sign-up') {
      const urls = { signInUrl: link(pages.signIn), resetUrl: link(pages.forgotPassword) }
      await sender.sendEmail('AccountExistsEmail', email, { name, ...urls }, options)
    }
  }

  async function sendLink(
    { to, next, locale }: Extract<Addressed, { mail: 'link' }>,
    idempotencyKey: string,
  ): Promise<void> {
    const token = await issue(MAGIC_LINK_MINUTES, linkIdentifier, linkRecord(to))
    const signInUrl = link(pages.magicLink, { token, ...(next ? { next } : {}) })
    const props = { signInUrl, expiresInMinutes: MAGIC_LINK_MINUTES }
    const user = await db.user.findUnique({ where: { email: to } })
    const recipient = user ? recipientOf(own, user) : {}
    const options = { idempotencyKey, locale: locale ?? null, ...recipient }
    await sender.sendEmail('MagicLinkEmail', to, props, options)
  }

  /** Makes a token that is good once, in the form that Better Auth's own endpoints look up. */
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
    // A guest without an account probably reads the language of the member who invites.
    const guest = await db.user.findUnique({ where: { email: email.toLowerCase() } })
    const options: Partial<MailRecipient> = guest
      ? recipientOf(own, guest)
      : { locale: user.locale }
    await sender.sendEmail('TeamInviteEmail', email, props, { idempotencyKey, ...options })
  }

  const work: Pick<JobDefinition<object>, 'parse' | 'run'> = {
    parse: (payload) => mail.parse(payload),
    async run(payload) {
      try {
        await deliver(payload as Mail)
      } catch (error) {
        // An earlier try has already sent this mail, and its link is valid.
        if (!isTollgateError(error, 'idempotency_conflict')) throw error
      }
    },
  }

  async function hasRoom(request: MailRequest): Promise<boolean> {
    if (!limits || request.mail === 'account' || request.mail === 'invite') return true
    const { mail, to } = request
    if (mail === 'reset' || mail === 'link') return limits.allows(mail, to)
    return limits.allows('address', to, {
      isReminder: request.mail === 'confirm' && request.isReminder,
    })
  }

  return {
    work,
    async request(request, tx) {
      if (!tx && !(await hasRoom(request))) return
      const named = { key: `auth/${randomUUID()}`, mail: request.mail }
      const payload =
        request.mail === 'invite'
          ? { ...named, invitationId: request.invitationId }
          : { ...named, sealed: await seal(sealedPart(request)) }
      await enqueue<object>(tx ?? db, { ...MAIL, ...work }, payload)
    },
  }
}

const sealedPart = (request: Exclude<MailRequest, { mail: 'invite' }>) =>
  request.mail === 'account' ? request.account : { ...request, to: request.to.toLowerCase() }
