/**
 * Commands about plans, customers and their subscriptions.
 *
 * @module
 */

import { createProgress } from '@repo/core/cli'
import { databaseEnv } from '@repo/db'
import { appEnv } from '../create-context.ts'
import type { NotedAccount } from '../customers/account.ts'
import { BillingError } from '../errors.ts'
import { stripeEnv } from '../providers/env.ts'
import { afterOf, type Command, limitOf, nextPage, say, UsageError } from './command.ts'

const EVERYTHING = [databaseEnv, stripeEnv, appEnv]

/** The commands about plans, customers, accounts and subscriptions. */
export const customerCommands: Record<string, Command> = {
  'plans push': {
    does: 'create the products and prices of the plans at Stripe',
    needs: [stripeEnv],
    acts: true,
    ownPlans: true,
    async run(_, __, billing) {
      const made = await billing.pushPlans()
      say(made.length === 0 ? 'Every price is in place.' : `Created ${made.join(', ')}`)
      return { made }
    },
  },

  sync: {
    takes: '<owner>…',
    does: 'load the present state of these owners from Stripe and store it',
    needs: EVERYTHING,
    acts: true,
    async run(owners, _, billing) {
      const results: object[] = []
      for (const [index, ownerId] of owners.entries()) {
        const { written, problems, changes } = await billing.syncCustomer(ownerId, {
          depth: 'full',
        })
        const { plan, status } = await billing.getSubscription(ownerId)
        say(`${index + 1}/${owners.length} ${ownerId}: ${plan}${status ? `, ${status}` : ''}`)
        results.push({ ownerId, plan, status, written, problems, changes })
      }
      return { synced: results }
    },
  },

  reconcile: {
    flags: { all: '' },
    does: 'compare customers that may have changed, or --all, with Stripe, and repair them',
    needs: EVERYTHING,
    acts: true,
    async run(_, { all = false }, billing) {
      const progress = createProgress('customers')
      const result = await billing.reconcile({ all, onProgress: progress.show })
      progress.end()
      for (const { ownerId, changes, deleted } of result.differences) {
        const what = changes.map(({ object, id, from, to }) =>
          to ? `${object} ${id} ${from ?? 'new'} → ${to}` : `${object} ${id}`,
        )
        say(`${ownerId}: ${deleted ? 'deleted at Stripe' : what.join(', ')}`)
      }
      for (const { ownerId, reason } of result.failed) say(`${ownerId}: not compared (${reason})`)
      const { length } = result.differences
      say(`${result.customers} customers compared, ${length} differed and were repaired.`)
      if (result.outcome === 'busy') say('Another comparison is running, so nothing was compared.')
      if (result.outcome === 'gone') {
        say(
          'The comparison stopped, because several customers no longer exist at Stripe. ' +
            'Check that the key belongs to the right account.',
        )
      }
      if (result.failed.length > 0 || result.outcome !== 'done') process.exitCode = 1
      return result
    },
  },

  'customers link': {
    takes: '<owner>',
    flags: { customer: '<cus_…>' },
    does: 'link an owner to a Stripe customer and its subscriptions, without effects for the past',
    needs: EVERYTHING,
    acts: true,
    async run([ownerId = ''], { customer }, billing) {
      if (customer === undefined) {
        throw new UsageError('--customer is required: give the id at Stripe, cus_….')
      }
      const { changes, problems } = await billing.linkCustomer(ownerId, customer)
      const { plan, status } = await billing.getSubscription(ownerId)
      say(`${ownerId} is linked to ${customer}: ${plan}${status ? `, ${status}` : ''}`)
      return { ownerId, customer, plan, status, changes, problems }
    },
  },

  'customers restore': {
    takes: '<owner>',
    does: "restore an owner's customer and subscriptions that were ended here by mistake",
    needs: EVERYTHING,
    acts: true,
    async run([ownerId = ''], _, billing) {
      const restored = await billing.restoreCustomer(ownerId)
      const { length } = restored.subscriptions
      const { stripeCustomerId } = restored
      say(`${ownerId} is linked to ${stripeCustomerId} again, with ${length} subscriptions.`)
      return { ownerId, ...restored }
    },
  },

  'account show': {
    does: 'show the Stripe account to which the customers in the database belong',
    needs: [databaseEnv, appEnv],
    async run(_, __, billing) {
      const account = await billing.getAccount()
      say(account ? inWords(account) : 'No account is stored yet.')
      return { account }
    },
  },

  'account replace': {
    flags: { yes: '' },
    does: "store the present key's account instead; only for a database that moves to it",
    needs: EVERYTHING,
    acts: true,
    async run(_, { yes = false }, billing) {
      const before = await billing.getAccount()
      if (!yes) {
        say(`The stored account is ${before ? inWords(before) : 'none'}.`)
        say('Nothing was changed. Repeat with --yes to replace it.')
        return { done: false, before, account: before }
      }
      const account = await billing.replaceAccount()
      say(`The stored account is now ${inWords(account)}.`)
      return { done: true, before, account }
    },
  },

  'subscriptions list': {
    takes: '[<owner>]',
    flags: { limit: '100', after: '<id>' },
    does: "list current subscriptions that wait for a person's decision",
    needs: [databaseEnv],
    async run([ownerId], flags, billing) {
      const limit = limitOf(flags)
      const flagged = await billing.listFlagged({
        ...(ownerId === undefined ? {} : { ownerId }),
        limit,
        ...afterOf(flags),
      })
      for (const { ownerId: owner, stripeSubscriptionId, status, needsAttention } of flagged) {
        say([owner, stripeSubscriptionId, status, needsAttention].join('  '))
      }
      return { flagged, ...nextPage(flagged, limit, ({ id }) => id) }
    },
  },

  'subscriptions resolve': {
    takes: '<owner>',
    flags: { keep: '<id>', yes: '' },
    does: 'refund and cancel all subscriptions but one; without --yes only show what would be done',
    needs: EVERYTHING,
    acts: true,
    async run([ownerId = ''], { keep, yes = false }, billing) {
      const resolutions = await billing.resolveSubscriptions(ownerId, {
        confirmed: yes,
        ...(keep ? { keep } : {}),
      })
      for (const { stripeSubscriptionId, refund } of resolutions) {
        const money = refund ? `refund of ${refund.amount} ${refund.currency}` : 'no refund'
        say(`${stripeSubscriptionId}: ${yes ? 'cancelled' : 'would be cancelled'}, ${money}`)
      }
      if (resolutions.length === 0) say('There is nothing to resolve.')
      else if (!yes) say('Nothing was changed. Repeat with --yes to do it.')
      return { done: yes, resolutions }
    },
  },

  export: {
    takes: '<owner>',
    does: 'print everything that billing holds about an owner, as JSON',
    needs: [databaseEnv],
    async run([ownerId = ''], { json }, billing) {
      const held = await billing.exportOwner(ownerId)
      if (!held) {
        throw new BillingError('owner_not_found', `Billing holds nothing about ${ownerId}.`)
      }
      // People redirect the export into a file, so it goes to standard output even without --json.
      if (!json) process.stdout.write(`${JSON.stringify(held, null, 2)}\n`)
      return held
    },
  },
}

const inWords = ({ stripeAccountId, livemode }: NotedAccount): string =>
  `${stripeAccountId ?? 'an unknown account'} (${livemode === null ? 'mode not known' : livemode ? 'live' : 'test'})`
