import asyncio
import contextlib


async def work(number):
    await asyncio.sleep(0.01 * number)
    print(number)
    return number


async def main():
    print(await asyncio.gather(*map(work, range(3))))
    process = await asyncio.create_subprocess_exec("echo", "hi", stdout=-1)
    print(await process.communicate(), process.returncode)
    print(await asyncio.to_thread(sum, [1, 2]))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)
    async with asyncio.TaskGroup() as group:
        group.create_task(work(5))
        group.create_task(asyncio.sleep(0, 1 / 0))


asyncio.run(main())
