import { Notice, type Search } from '@/components/notice'
import { confirmEmail } from '../actions'

/** The link in the mail leads here. Opening it changes nothing, because mail scanners open links. */
export default async function VerifyEmail({ searchParams }: { searchParams: Search }) {
  const { token } = await searchParams
  return (
    <main>
      <h1>Confirm your address</h1>
      <Notice search={searchParams} />
      <form action={confirmEmail}>
        <input type="hidden" name="token" value={String(token ?? '')} />
        <button type="submit">Confirm</button>
      </form>
    </main>
  )
}
