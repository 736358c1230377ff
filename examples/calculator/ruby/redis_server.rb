# Requests come from the list calc, replies go onto lists named by the requests' IDs.
require 'redis'
require_relative 'calculator'

$stdout.sync = true
redis = Redis.new(url: ENV.fetch('REDIS_URL', 'redis://localhost:6379'))
puts "serving the Redis list #{NAME}"
loop do
  _list, message = redis.brpop(NAME)
  redis.lpush(JSON.parse(message)['id'], answer(message))
end
