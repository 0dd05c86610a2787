/**
 * The checks of mail: where mails go, and whether the sender's domain proves itself with SPF, DKIM and DMARC. They read
 * the DNS and send nothing.
 *
 * @see https://resend.com/docs/dashboard/domains/introduction
 * @module
 */

import { Resolver } from 'node:dns/promises'
import { domainToASCII } from 'node:url'
import { isProduction, isTollgateError } from '@repo/core'
import {
  type Check,
  type CheckResult,
  type CheckRun,
  failed,
  onlyLive,
  passed,
  skipped,
} from '@repo/core/checks'
import { type Route, routeOf } from './route.ts'
import { defaultSender, sendEmail } from './send.ts'

/** Asks for the TXT records of a name, as `Resolver` of `node:dns/promises` does. */
export interface TextResolver {
  /** The records, each in its parts. Rejects with a `code` such as `ENOTFOUND`. */
  resolveTxt(name: string): Promise<string[][]>
}

/** The settings of {@link emailChecks}. */
export interface EmailCheckSettings {
  /** Default: the machine's name servers, with two tries of three seconds. */
  resolver?: TextResolver
}

/** The checks of the mails that `sender` sends. Default: those of `sendEmail`. */
export function emailChecks(
  run: CheckRun,
  sender?: object,
  { resolver = new Resolver({ timeout: 3_000, tries: 2 }) }: EmailCheckSettings = {},
): Check[] {
  const domain = (check: (domain: string, route: Route) => Promise<CheckResult>) => async () => {
    const route = openRoute(sender)
    if ('problem' in route) return skipped('The sender of mails is not set up.')
    const name = domainOf(route.from)
    if (route.kind === 'outbox') return skipped('Mails go to the outbox, so no domain sends them.')
    if (name === null) return skipped('The sender has no public domain.')
    return check(name, route)
  }
  return [
    { id: 'email.sender', run: () => senderCheck(run, openRoute(sender)) },
    { id: 'email.spf', run: domain((name, route) => spf(resolver, name, route)) },
    { id: 'email.dkim', run: domain((name, route) => dkim(resolver, name, route)) },
    { id: 'email.dmarc', run: domain((name) => dmarc(resolver, name)) },
  ]
}

type Opened = Route | { problem: string }

function openRoute(sender: object | undefined): Opened {
  try {
    const isDefault =
      sender === undefined || (sender as { sendEmail?: unknown }).sendEmail === sendEmail
    return routeOf(isDefault ? defaultSender : sender) ?? { problem: 'unknown' }
  } catch (error) {
    return { problem: isTollgateError(error) ? error.message : 'The sender cannot be made.' }
  }
}

function senderCheck(run: CheckRun, route: Opened): CheckResult {
  if ('problem' in route) {
    return route.problem === 'unknown'
      ? skipped('The sender is the host’s own, so its provider and its address are not known.')
      : failed(
          route.problem,
          'Set RESEND_API_KEY and EMAIL_FROM (.env.example says how to get them).',
        )
  }
  if (route.kind === 'outbox') {
    return onlyLive(
      { ...run, isLive: run.isLive || isProduction() },
      'Mails are written to the outbox, and nobody receives them.',
      'Set RESEND_API_KEY and EMAIL_FROM.',
    )
  }
  const provider = route.kind === 'resend' ? 'Resend' : 'the transport that the host gave'
  const name = domainOf(route.from)
  if (name !== null) return passed(`Mails go through ${provider}, from the domain ${name}.`)
  return onlyLive(
    run,
    `Mails go through ${provider}, but the sender's address has no public domain.`,
    'Set EMAIL_FROM to an address of a domain that you verified at the provider.',
  )
}

/** The domain of a sender in ASCII; null for one that DNS cannot know. */
function domainOf(from: string): string | null {
  const address = /<([^<>]*)>\s*$/.exec(from)?.[1] ?? from
  const name = domainToASCII(address.slice(address.lastIndexOf('@') + 1).trim()).toLowerCase()
  const isPublic = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(name)
  const isReserved = /(^|\.)(localhost|local|test|invalid|internal)$/.test(name)
  return isPublic && !isReserved ? name : null
}

/** The records of a name; empty if it has none. A string says why no name server answered. */
async function textsOf(resolver: TextResolver, name: string): Promise<string[] | string> {
  try {
    return (await resolver.resolveTxt(name)).map((parts) => parts.join(''))
  } catch (error) {
    const { code = 'UNKNOWN' } = error as { code?: string }
    return code === 'ENOTFOUND' || code === 'ENODATA' ? [] : code
  }
}

const offline = (name: string, code: string): CheckResult =>
  skipped(
    `No name server answered for ${name} (${code}).`,
    'Run the check where names can be looked up.',
  )

async function spf(resolver: TextResolver, name: string, { kind }: Route): Promise<CheckResult> {
  // Resend sends with a return path below the domain, and there looks the receiver for SPF.
  const names = kind === 'resend' ? [`send.${name}`, name] : [name]
  const isWanted = (record: string) =>
    kind !== 'resend' || /\binclude:amazonses\.com\b/i.test(record)
  const seen: string[] = []
  for (const each of names) {
    const texts = await textsOf(resolver, each)
    if (typeof texts === 'string') return offline(each, texts)
    const records = texts.filter((text) => /^v=spf1(\s|$)/i.test(text))
    if (records.length > 1)
      return failed(
        `${each} has ${records.length} SPF records, so receivers ignore them all.`,
        'Join them into one record.',
      )
    const [record] = records
    if (record === undefined) continue
    if (/\s\+?all\s*$/i.test(record))
      return failed(
        `The SPF record of ${each} lets everybody send (${/\s(\+?all)\s*$/i.exec(record)?.[1]}).`,
        'End it with ~all or -all.',
      )
    if (isWanted(record)) return passed(`${each} has one SPF record, which names the provider.`)
    seen.push(each)
  }
  if (seen.length > 0)
    return failed(
      `The SPF record of ${seen.join(' and of ')} does not name the provider.`,
      'Add the record that Resend shows for the domain: include:amazonses.com.',
    )
  return failed(
    `${names.join(' and ')} ${names.length > 1 ? 'have' : 'has'} no SPF record.`,
    'Add the TXT record that your mail provider shows for the domain.',
  )
}

async function dkim(resolver: TextResolver, name: string, { kind }: Route): Promise<CheckResult> {
  if (kind !== 'resend') {
    return skipped(
      'The selector of the transport’s DKIM key is not known, so the key was not looked up.',
    )
  }
  const at = `resend._domainkey.${name}`
  const texts = await textsOf(resolver, at)
  if (typeof texts === 'string') return offline(at, texts)
  const [key] = texts.filter((text) => /(^|;)\s*p=/i.test(text))
  if (key !== undefined && /(^|;)\s*p=\s*[A-Za-z0-9+/]/.test(key))
    return passed(`${at} has a DKIM key.`)
  return failed(
    key === undefined
      ? `${at} has no DKIM key.`
      : `The DKIM key at ${at} was withdrawn (p= is empty).`,
    'Add the TXT record that Resend shows for the domain.',
  )
}

async function dmarc(resolver: TextResolver, name: string): Promise<CheckResult> {
  // A subdomain without a policy has that of its organization's domain.
  const labels = name.split('.')
  const names = labels.length > 2 ? [name, labels.slice(-2).join('.')] : [name]
  for (const each of names) {
    const at = `_dmarc.${each}`
    const texts = await textsOf(resolver, at)
    if (typeof texts === 'string') return offline(at, texts)
    const records = texts.filter((text) => /^v=DMARC1\s*(;|$)/.test(text))
    if (records.length > 1)
      return failed(
        `${at} has ${records.length} DMARC records, so receivers ignore them all.`,
        'Keep one.',
      )
    const [record] = records
    if (record === undefined) continue
    const policy = /;\s*p=\s*(none|quarantine|reject)\b/i.exec(record)?.[1]?.toLowerCase()
    if (policy === undefined)
      return failed(`The DMARC record at ${at} has no policy.`, 'Begin it with v=DMARC1; p=none.')
    return passed(
      `${at} has the policy ${policy}${policy === 'none' ? ', which only asks for reports' : ''}.`,
    )
  }
  return failed(
    `${names.map((each) => `_dmarc.${each}`).join(' and ')} ${names.length > 1 ? 'have' : 'has'} no DMARC record, which Gmail and Yahoo ask of senders.`,
    `Add the TXT record _dmarc.${name} with v=DMARC1; p=none; rua=mailto:… and tighten the policy later.`,
  )
}
