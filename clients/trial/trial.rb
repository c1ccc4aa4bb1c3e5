# Requests in runs with a pause between them by Net::HTTP: ruby trial.rb; README.md has the
# environment.
require "net/http"

uri = URI(ENV.fetch("HALFOPEN_URL"))
post = ENV["HALFOPEN_METHOD"] == "POST"
pause = ENV.fetch("HALFOPEN_PAUSE_S", "1").to_f
runs = ENV.fetch("HALFOPEN_RUNS", "2").to_i
requests = ENV.fetch("HALFOPEN_REQUESTS", "1").to_i

http = Net::HTTP.start(uri.host, uri.port)
failed = false
runs.times do |run|
  sleep(pause) if run > 0
  requests.times do
    response = post ? http.post(uri.request_uri, "ten won") : http.get(uri.request_uri)
    puts response.code
  rescue StandardError => error
    failed = true
    puts "#{error.class}: #{error.message}"
  end
end
exit(!failed)
