/**
 * Sends the mails about an account: confirmations of a new address, notices to the old one, deletions and
 * alerts. It is part of the job `auth.mail`, which makes the links when it sends.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { sendEmail } from '@repo/email'
import type { Pages } from '../options.ts'
import { CONFIRM_MINUTES } from './email-change.ts'
import type { AccountMail, SecurityAlert } from './mail-kinds.ts'
import { type AccountLink, linkIdentifier } from './tokens.ts'
import { type OwnFields, recipientOf } from './user-fields.ts'

/** The dependencies of `deliverAccountMail`. */
export interface AccountMailParts {
  db: Database
  own: OwnFields
  sender: { sendEmail: typeof sendEmail }
  pages: Pages
  undoDays: number
  /** Makes a URL of the host. */
  link(path: string, query?: Record<string, string>): string
  /** Makes a token that is good once within this many minutes. */
  issue(minutes: number, identifierOf: (token: string) => string, value: string): Promise<string>
}

/** Sends a mail; sends nothing if its reason no longer exists. */
export async function deliverAccountMail(
  parts: AccountMailParts,
  mail: AccountMail,
  idempotencyKey: string,
): Promise<void> {
  const { sender, pages, link } = parts
  if (mail.kind === 'new_address') return newAddress(parts, mail.changeId, idempotencyKey)
  if (mail.kind === 'alert') return alert(parts, mail, idempotencyKey)
  if (mail.kind === 'deletion') {
    const { stage, to, name, dueAt, locale = null } = mail
    const signInUrl = stage === 'done' ? {} : { signInUrl: link(pages.signIn) }
    const props = { name, stage, ...signInUrl, ...(dueAt ? { dueAt } : {}) }
    await sender.sendEmail('AccountDeletionEmail', to, props, { idempotencyKey, locale })
  } else if (mail.stage === 'undone') {
    const { to, name, stage, locale = null } = mail
    await sender.sendEmail('AddressChangeEmail', to, { name, stage }, { idempotencyKey, locale })
  } else {
    await addressChange(parts, mail, idempotencyKey)
  }
}

const changeOf = ({ db }: AccountMailParts, changeId: string) =>
  db.emailChange.findUnique({ where: { id: BigInt(changeId) }, include: { user: true } })

/**
 * If the address already has an account, its owner is told that somebody wants it; otherwise the mail has a
 * link to confirm it.
 */
async function newAddress(
  parts: AccountMailParts,
  changeId: string,
  idempotencyKey: string,
): Promise<void> {
  const { db, own, sender, pages, link } = parts
  const change = await changeOf(parts, changeId)
  if (!change || change.confirmedAt || change.closedAt) return
  const { newEmail } = change
  const owner = await db.user.findUnique({ where: { email: newEmail } })
  if (owner?.emailVerified) {
    const urls = { signInUrl: link(pages.signIn), resetUrl: link(pages.forgotPassword) }
    const props = { name: owner.name, ...urls }
    const options = { idempotencyKey, ...recipientOf(own, owner) }
    await sender.sendEmail('AccountExistsEmail', newEmail, props, options)
    return
  }
  const token = await issueLink(parts, 'change-email', CONFIRM_MINUTES, changeId)
  const props = {
    confirmUrl: link(pages.changeEmail, { token }),
    expiresInMinutes: CONFIRM_MINUTES,
  }
  // The fields stay out of this mail: the address may be somebody else's.
  const { locale } = change.user
  await sender.sendEmail('NewAddressEmail', newEmail, props, { idempotencyKey, locale })
}

async function addressChange(
  parts: AccountMailParts,
  { stage, changeId }: { stage: 'requested' | 'done'; changeId: string },
  idempotencyKey: string,
): Promise<void> {
  const { own, sender, pages, link, undoDays } = parts
  const change = await changeOf(parts, changeId)
  if (!change) return
  const undo = async () => {
    const token = await issueLink(parts, 'undo-email-change', undoDays * 24 * 60, changeId)
    return { undoUrl: link(pages.undoEmailChange, { token }), expiresInDays: undoDays }
  }
  const mayUndo = undoDays > 0 && !(await canItselfBeUndone(parts, change))
  const props = { name: change.user.name, stage, ...(mayUndo ? await undo() : {}) }
  const options = { idempotencyKey, ...recipientOf(own, change.user) }
  await sender.sendEmail('AddressChangeEmail', change.oldEmail, props, options)
}

/**
 * Whether the change's old address came from another change that can still be undone. Then the old address
 * gets no undo link: a thief who moved an account to another mailbox would otherwise keep a key to it after
 * the owner has moved it back.
 */
async function canItselfBeUndone(
  { db, undoDays }: AccountMailParts,
  { id, userId, createdAt }: { id: bigint; userId: string; createdAt: Date },
): Promise<boolean> {
  const since = new Date(createdAt.getTime() - undoDays * DAY_MS)
  const where = { userId, id: { lt: id }, confirmedAt: { gte: since } }
  return (await db.emailChange.count({ where })) > 0
}
const DAY_MS = 24 * 60 * 60 * 1000

const issueLink = (
  { issue }: AccountMailParts,
  kind: AccountLink,
  minutes: number,
  changeId: string,
) => issue(minutes, (token) => linkIdentifier(kind, token), changeId)

/** The names of providers for people. */
const PROVIDERS: { [id: string]: string } = {
  github: 'GitHub',
  google: 'Google',
  microsoft: 'Microsoft',
}

/**
 * Sends an alert, but only to a proven address, so that nobody learns about an account by typing its address.
 */
export async function alert(
  { db, own, sender, pages, link }: AccountMailParts,
  { userId, alert, at, about, device, network }: Extract<AccountMail, { kind: 'alert' }>,
  idempotencyKey: string,
): Promise<void> {
  const user = await db.user.findUnique({ where: { id: userId } })
  if (!user?.emailVerified) return
  const named = about && (await nameOf(db, alert, about))
  const props = {
    name: user.name,
    alert,
    at,
    ...(named ? { about: named } : {}),
    ...(device ? { device } : {}),
    ...(network ? { network } : {}),
    accountUrl: link(pages.account),
    resetUrl: link(pages.forgotPassword),
  }
  const options = { idempotencyKey, ...recipientOf(own, user) }
  await sender.sendEmail('SecurityAlertEmail', user.email, props, options)
}

async function nameOf(db: Database, alert: SecurityAlert, about: string): Promise<string> {
  if (alert.startsWith('program_'))
    return (await db.oauthClient.findUnique({ where: { clientId: about } }))?.name ?? about
  return PROVIDERS[about] ?? about
}
