/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * The credits page: buying a pack, spending credits on work that may fail, and the ledger. The browser
 * returns from the provider through billing's own route, which asks the provider and then redirects to this
 * page.
 */

import type { Auth } from '@repo/auth'
import type { Billing } from '@repo/billing'
import { isTollgateError } from '@repo/core'
import { type Context, Hono } from 'hono'
import { Notices } from './form.tsx'
import { Card, Layout } from './layout.tsx'
import { day, money, products } from './product.ts'
import { askToSignIn } from './refusal.tsx'

/** The price of a picture, in credits. */
const PICTURE = 20

const PACKS = ['CREDITS_SMALL', 'CREDITS_LARGE'] as const

const OUTCOMES: Record<string, string> = {
  completed: 'Thank you – your credits have been added.',
  pending: 'The payment is being processed; you get the credits once it has arrived.',
  cancelled: 'Nothing was bought.',
  refunded: 'The purchase was refunded.',
}

export function creditRoutes(auth: Auth, billing: Billing): Hono {
  const app = new Hono()
  const owner = async (c: Context) => (await auth.requireAuth(c.req.raw)).userId

  app.post('/credits/buy', async (c) => {
    const order = await billing.createOrder({
      ownerId: await owner(c),
      productId: String((await c.req.formData()).get('productId') ?? ''),
      successUrl: '/credits',
      cancelUrl: '/credits',
    })
    return c.redirect(order.url, 303)
  })

  // The credits are held while the work runs. They are captured if it succeeds and returned if it fails.
  app.post('/credits/draw', async (c) => {
    const fails = (await c.req.formData()).has('fails')
    const ownerId = await owner(c)
    try {
      await billing.withCredits(ownerId, PICTURE, 'a picture', () => {
        if (fails) throw new PencilBroke()
      })
      return c.redirect('/credits?done=drawn', 303)
    } catch (error) {
      if (error instanceof PencilBroke) return c.redirect('/credits?error=drawing_failed', 303)
      if (!isTollgateError(error, 'insufficient_credits')) throw error
      return c.redirect('/credits?error=insufficient_credits', 303)
    }
  })

  app.get('/credits', async (c) => {
    const session = await auth.getSession(c.req.raw)
    if (!session) return askToSignIn(auth, c)
    const { balance, debt, holds, expiring } = await billing.getBalance(session.userId)
    const { transactions } = await billing.listTransactions(session.userId, { limit: 20 })
    const outcome = OUTCOMES[c.req.query('status') ?? '']
    return c.html(
      <Layout c={c} title="Credits" top="customer" width="wide">
        <h1>Credits</h1>
        <Notices />
        {outcome && (
          <p class="notice" role="status">
            {outcome}
          </p>
        )}
        <div class="grid pair">
          <Card title="Your balance">
            <p>
              <strong class="price" data-testid="balance">
                {balance}
              </strong>{' '}
              credits
              {holds > 0 && ` · ${holds} set aside`}
              {debt > 0 && ` · ${debt} owed`}
            </p>
            {expiring.map(({ amount, expiresAt }) => (
              <p class="hint">
                {amount} expire on {day(expiresAt)}.
              </p>
            ))}
            <form method="post" action="/credits/draw">
              <label class="inline">
                <input type="checkbox" name="fails" aria-describedby="fails-hint" /> Let it fail
                half-way
              </label>
              <p class="hint" id="fails-hint">
                Tries out what happens if the drawing breaks: the {PICTURE} credits are set aside
                before it starts, and come back.
              </p>
              <button type="submit">Draw a picture · {PICTURE} credits</button>
            </form>
          </Card>
          <Card title="Buy more">
            {PACKS.map((sku) => {
              const { name, amount, currency } = products[sku]
              return (
                <form method="post" action="/credits/buy">
                  <button class="quiet" name="productId" value={sku} type="submit">
                    {name} · {money(amount, currency)}
                  </button>
                </form>
              )
            })}
          </Card>
        </div>
        {transactions.length > 0 && (
          <Card title="History">
            <table>
              <thead>
                <tr>
                  <th>Date</th>
                  <th>What happened</th>
                  <th class="number">Credits</th>
                  <th class="number">Balance</th>
                </tr>
              </thead>
              <tbody>
                {transactions.map((transaction) => (
                  <tr data-testid="transaction">
                    <td class="day">{shortDay(transaction.createdAt)}</td>
                    <td>{inWords(transaction)}</td>
                    <td class="number">{signed(transaction.amount)}</td>
                    <td class="number">{transaction.balanceAfter}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Card>
        )}
      </Layout>,
    )
  })

  return app
}

class PencilBroke extends Error {}

type Transaction = Awaited<ReturnType<Billing['listTransactions']>>['transactions'][number]

/** What a transaction was, as a customer would say it. */
function inWords({ type, amount, description }: Transaction): string {
  if (type === 'purchase') return 'Bought'
  if (type === 'deduction') return `Spent on ${description}`
  if (type === 'refund') return amount < 0 ? 'Taken back, the purchase was refunded' : 'Given back'
  if (type === 'expiry') return 'Expired'
  return type === 'grant' ? 'Added' : 'Corrected'
}

const shortDay = (date: Date) =>
  new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric', timeZone: 'UTC' }).format(date)

const signed = (amount: number) => (amount > 0 ? `+${amount}` : String(amount).replace('-', '−'))
