import Link from 'next/link'
import { Notice, type Search } from '@/components/notice'
import { getUser, requireAuth } from '@/lib/session'
import { billing } from '@/lib/tollgate'
import { drawPicture, manageBilling, signOut, upgrade } from '../actions'

export default async function Dashboard({ searchParams }: { searchParams: Search }) {
  const { userId } = await requireAuth({ next: '/dashboard' })
  const [user, { plan }, { balance }] = await Promise.all([
    getUser(),
    billing.getSubscription(userId),
    billing.getBalance(userId),
  ])
  return (
    <main>
      <h1>Hello, {user?.name}</h1>
      <Notice search={searchParams} />
      <p>
        You are on {plan} and have {balance} credits.
      </p>
      {plan === 'FREE' ? (
        <form action={upgrade}>
          <button type="submit">Upgrade to PRO</button>
        </form>
      ) : (
        <form action={manageBilling}>
          <button type="submit">Manage billing</button>
        </form>
      )}
      <form action={drawPicture}>
        <button type="submit">Draw a picture for 20 credits</button>
      </form>
      <Link href="/account">Account</Link>
      <form action={signOut}>
        <button type="submit">Sign out</button>
      </form>
    </main>
  )
}
