#pragma once

#include "core/frame_store.hpp"

// The one place that includes Asio's coroutines (the lint sees to it): a translation unit that knew them without what follows
// would take frames from one place and give them back to another.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

// Frames from take_frame(). Asio's own store keeps two a thread, of whatever size: with as many coroutines under way as there are
// here, nearly every frame was a malloc and a free. Sanitizers need each frame freed, see cmake/Cofferdam.cmake.
#ifndef BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING
template <>
inline void* boost::asio::detail::awaitable_frame_base<boost::asio::any_io_executor>::operator new(std::size_t size)
{
    return cofferdam::take_frame(size);
}

template <>
inline void boost::asio::detail::awaitable_frame_base<boost::asio::any_io_executor>::operator delete(void* memory,
                                                                                                     std::size_t size)
{
    cofferdam::give_frame(memory, size);
}
#endif
