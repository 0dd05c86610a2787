export default function CheckMail() {
  return (
    <main>
      <h1>Check your mail</h1>
      <p>If the address is right, a message with a link is on its way.</p>
    </main>
  )
}
