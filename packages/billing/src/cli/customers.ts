/**
 * Commands about plans, customers and their subscriptions.
 *
 * @module
 */

import { databaseEnv } from '@repo/db'
import { appEnv } from '../create-context.ts'
import type { NotedAccount } from '../customers/account.ts'
import { BillingError } from '../errors.ts'
import { createProgress } from '../progress.ts'
import { stripeEnv } from '../providers/env.ts'
import { type Command, say, UsageError } from './command.ts'

const EVERYTHING = [databaseEnv, stripeEnv, appEnv]

export const customerCommands: Record<string, Command> = {
  'plans push': {
    does: "make the plans' products and prices at Stripe",
    needs: [stripeEnv],
    acts: true,
    ownPlans: true,
    async run(_, __, billing) {
      const made = await billing.pushPlans()
      say(made.length === 0 ? 'Every price is in place.' : `made ${made.join(', ')}`)
      return { made }
    },
  },

  sync: {
    takes: '<owner>…',
    does: 'write what Stripe says of these owners now',
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
    does: 'compare with Stripe the customers that may have changed, or --all in full, and mend differences',
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
        say(`${ownerId}: ${deleted ? 'deleted at the provider' : what.join(', ')}`)
      }
      for (const { ownerId, reason } of result.failed) say(`${ownerId}: not compared (${reason})`)
      say(`${result.customers} customers, ${result.differences.length} differed and are mended.`)
      if (result.outcome === 'busy') say('Another comparison is under way: nothing was compared.')
      if (result.outcome === 'gone') {
        say(
          'It stopped, because more than a few customers are gone at Stripe. Is the key the right one?',
        )
      }
      if (result.failed.length > 0 || result.outcome !== 'done') process.exitCode = 1
      return result
    },
  },

  'customers link': {
    takes: '<owner>',
    flags: { customer: '<cus_…>' },
    does: 'make a customer of Stripe an owner’s, with its subscriptions; tells nothing of the past',
    needs: EVERYTHING,
    acts: true,
    async run([ownerId = ''], { customer }, billing) {
      if (customer === undefined) throw new UsageError('Say --customer, the id at Stripe.')
      const { changes, problems } = await billing.linkCustomer(ownerId, customer)
      const { plan, status } = await billing.getSubscription(ownerId)
      say(`${ownerId} is ${customer}: ${plan}${status ? `, ${status}` : ''}`)
      return { ownerId, customer, plan, status, changes, problems }
    },
  },

  'customers restore': {
    takes: '<owner>',
    does: 'bring back a customer and subscriptions that a mistake has ended here, and Stripe has still',
    needs: EVERYTHING,
    acts: true,
    async run([ownerId = ''], _, billing) {
      const restored = await billing.restoreCustomer(ownerId)
      const { length } = restored.subscriptions
      say(`${ownerId} is ${restored.stripeCustomerId} again; ${length} subscriptions run again.`)
      return { ownerId, ...restored }
    },
  },

  'account show': {
    does: 'the account at Stripe whose customers the database holds',
    needs: [databaseEnv, appEnv],
    async run(_, __, billing) {
      const account = await billing.getAccount()
      say(account ? inWords(account) : 'None is noted yet.')
      return { account }
    },
  },

  'account replace': {
    flags: { yes: '' },
    does: 'note the account of the present key instead; only for a database that moves to it',
    needs: EVERYTHING,
    acts: true,
    async run(_, { yes = false }, billing) {
      const before = await billing.getAccount()
      if (!yes) {
        say(
          `Noted is ${before ? inWords(before) : 'none'}. Nothing was changed. Say --yes to do it.`,
        )
        return { done: false, before, account: before }
      }
      const account = await billing.replaceAccount()
      say(`Noted is ${inWords(account)} now.`)
      return { done: true, before, account }
    },
  },

  'subscriptions list': {
    takes: '[<owner>]',
    does: 'subscriptions that run and wait for a decision',
    needs: [databaseEnv],
    async run([ownerId], _, billing) {
      const flagged = await (ownerId === undefined
        ? billing.listFlagged()
        : billing.listFlagged(ownerId))
      for (const { ownerId: owner, stripeSubscriptionId, status, needsAttention } of flagged) {
        say([owner, stripeSubscriptionId, status, needsAttention].join('  '))
      }
      if (flagged.length === 0) say('There are none.')
      return { flagged }
    },
  },

  'subscriptions resolve': {
    takes: '<owner>',
    flags: { keep: '<id>', yes: '' },
    does: 'end all but one and refund them; without --yes only say so',
    needs: EVERYTHING,
    acts: true,
    async run([ownerId = ''], { keep, yes = false }, billing) {
      const resolutions = await billing.resolveSubscriptions(ownerId, {
        confirmed: yes,
        ...(keep ? { keep } : {}),
      })
      for (const { stripeSubscriptionId, refund } of resolutions) {
        const money = refund
          ? `${refund.amount} ${refund.currency} given back`
          : 'nothing to give back'
        say(`${stripeSubscriptionId}: ${yes ? 'ended' : 'would be ended'}, ${money}`)
      }
      if (resolutions.length === 0) say('There is nothing to resolve.')
      else if (!yes) say('Nothing was changed. Say --yes to do it.')
      return { done: yes, resolutions }
    },
  },

  export: {
    takes: '<owner>',
    does: 'all that billing holds of an owner, as JSON',
    needs: [databaseEnv],
    async run([ownerId = ''], { json }, billing) {
      const held = await billing.exportOwner(ownerId)
      if (!held) {
        throw new BillingError('owner_not_found', `Billing holds nothing of ${ownerId}.`)
      }
      // It is asked for to be put into a file, with or without --json.
      if (!json) process.stdout.write(`${JSON.stringify(held, null, 2)}\n`)
      return held
    },
  },
}

const inWords = ({ stripeAccountId, livemode }: NotedAccount): string =>
  `${stripeAccountId ?? 'an account that is not known'} (${livemode === null ? 'mode not known' : livemode ? 'live' : 'test'})`
