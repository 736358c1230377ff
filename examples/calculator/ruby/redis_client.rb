# The request goes onto the list calc, the reply comes on one named by the request's ID.
require 'redis'
require_relative 'request'

redis = Redis.new(url: ENV.fetch('REDIS_URL', 'redis://localhost:6379'))
redis.lpush(NAME, request)
_list, reply = redis.brpop(ID, timeout: 30)
abort 'nobody answered' unless reply
show(reply)
