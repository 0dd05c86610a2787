import Link from 'next/link'
import { Notice, type Search } from '@/components/notice'
import { Providers } from '@/components/providers'
import { signIn } from '../actions'

export default async function SignIn({ searchParams }: { searchParams: Search }) {
  const { next } = await searchParams
  return (
    <main>
      <h1>Sign in</h1>
      <Notice search={searchParams} />
      <Providers next={typeof next === 'string' ? next : undefined} />
      <form action={signIn}>
        {typeof next === 'string' && <input type="hidden" name="next" value={next} />}
        <label>
          E-mail <input name="email" type="email" autoComplete="email" required />
        </label>
        <label>
          Password{' '}
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <button type="submit">Sign in</button>
      </form>
      <Link href="/forgot-password">I forgot my password</Link>
    </main>
  )
}
